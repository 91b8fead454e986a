"""The log of a run: its events, one line of JSON each, appended and synced.

A line counts once it is whole, so a process killed while it wrote leaves nothing that a reader or its successor
misreads.
"""

import errno
import io
import json
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from analysis.run.events import Event, Start, from_json, to_json, unknown_fields
from trainables.domain import UsageError
from trainables.report import Report


class RunError(UsageError):
    """A run that cannot be made, opened or written; the message is one line that says what would be right."""


class Log:
    """One log file and how far it has been read, so that reading on costs only what it grew by."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._numbers: dict[str, int] = {}
        """Number of each trial that has started"""
        self._owners: dict[int, str] = {}
        """The trial of each number"""
        self._unknown: set[str] = set()
        """Fields of another version, each of which is said once"""
        self._end = 0  # bytes read or written so far, all of them whole lines
        self._writer: io.FileIO | None = None

    def read_on(self) -> Iterator[Event]:
        """Yield the events of the whole lines that were not read or written through this object before.

        Raises:
            RunError: a whole line holds no event, or one that cannot follow on those before it.
        """
        with self.path.open("rb") as log:
            log.seek(self._end)
            for line in log:
                if not line.endswith(b"\n"):
                    return
                event = self._parse(line)
                self._end += len(line)
                yield event

    def append(self, event: Event) -> Event:
        """Add an event, on disk when this returns, and return it as a reader will find it.

        Everything before it must have been read. The event gets a time unless it has one.

        Raises:
            RunError: the file cannot be written, because the disk is full or the folder is read-only.
        """
        timed = replace(event, time=event.time or time.time())
        line = json.dumps(to_json(timed), separators=(",", ":"))
        try:
            self._write(line.encode() + b"\n")
        except OSError as error:
            raise RunError(f"cannot write to {self.path}, {error.strerror}: see to it, then --resume the run") from None
        written = from_json(json.loads(line))
        if isinstance(written, Start):
            self._number(written)
        return written

    def close(self) -> None:
        """Close the file; the next `append` opens it again."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _write(self, data: bytes) -> None:
        if self._writer is None:
            self._writer = io.FileIO(self.path, "ab")
            self._writer.truncate(self._end)  # removes the part of a line that a killed process left
        if self._writer.write(data) != len(data):
            self._writer.truncate(self._end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(self._writer.fileno())
        self._end += len(data)

    def _parse(self, line: bytes) -> Event:
        try:
            values = json.loads(line)
            if not isinstance(values, dict):
                raise ValueError("it is no object")
            event = from_json(values)
            self._follow(event)
        except (ValueError, RecursionError) as error:
            reason = "no JSON" if isinstance(error, json.JSONDecodeError | UnicodeError | RecursionError) else error
            number = 1 + self.path.read_bytes()[: self._end].count(b"\n")
            right = "put it right, or bring the file back from a copy"
            raise RunError(f"{self.path} line {number} is no event of a run ({reason}): {right}") from None
        if unknown := unknown_fields(values) - self._unknown:
            self._unknown |= unknown
            names = ", ".join(sorted(map(ascii, unknown)))
            logging.getLogger(__name__).warning("%s has fields of another version, left out: %s", self.path, names)
        return event

    def _follow(self, event: Event) -> None:
        """Raise ValueError unless an event can follow on those before it."""
        if isinstance(event, Start):
            if self._number(event) != (event.number, event.trial):
                raise ValueError(
                    f"{event.trial} has the number {event.number}: expected one of its own, and always that"
                )
        elif isinstance(event, Report) and event.trial not in self._numbers:
            raise ValueError(f"{event.trial} has not started")

    def _number(self, start: Start) -> tuple[int, str]:
        """Record that a trial starts, and return the number that it has, and the trial that has its number."""
        number = self._numbers.setdefault(start.trial, start.number)
        return number, self._owners.setdefault(start.number, start.trial)
