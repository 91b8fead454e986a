"""The log of a run: the events of all trials, a line of JSON each, appended and synced; a part of analysis/run/run.py.

| event | fields |
| --- | --- |
| start | trial, number, seed, baseline, variant (a flat dict), in a confirmation repeats and sampling_seed |
| report | trial, images_seen and what else it measured |
| end | trial, state: COMPLETE, PRUNED or FAIL, and then error, the traceback |

Each also has its time, in seconds since 1970. A line counts once it is whole, so a process killed while it wrote leaves
nothing that a reader or its successor trips over.
"""

import errno
import io
import json
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trainables.domain import UsageError

Event = dict[str, Any]
FIELDS = {
    "start": ("trial", "number", "seed", "baseline", "variant"),
    "report": ("trial", "images_seen"),
    "end": ("trial", "state"),
}


class RunError(UsageError):
    """A run that cannot be made, opened or written; the message is one line that says what would be right."""


class Log:
    """One log file and how far it has been read, so that reading on costs only what it grew by."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._end = 0  # bytes read or written so far, all of them whole lines
        self._writer: io.FileIO | None = None

    def read_on(self) -> Iterator[Event]:
        """Yield the events of the whole lines that were not read or written through this object before.

        Raises:
            RunError: a whole line holds no event.
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

        Everything before it must have been read. The event gets a time unless it has one; a float that is not finite
        becomes null, which JSON has.

        Raises:
            ValueError: the event is of no known kind or lacks a field.
            RunError: the file cannot be written, because the disk is full or the folder is read-only.
        """
        _check(event)
        line = json.dumps(finite({**event, "time": event.get("time", time.time())}), separators=(",", ":"))
        try:
            self._write(line.encode() + b"\n")
        except OSError as error:
            raise RunError(f"cannot write to {self.path}, {error.strerror}: see to it, then --resume the run") from None
        return json.loads(line)

    def close(self) -> None:
        """Close the file; the next `append` opens it again."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _write(self, data: bytes) -> None:
        if self._writer is None:
            self._writer = io.FileIO(self.path, "ab")
            self._writer.truncate(self._end)  # what a killed process left of a line
        if self._writer.write(data) != len(data):
            self._writer.truncate(self._end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(self._writer.fileno())
        self._end += len(data)

    def _parse(self, line: bytes) -> Event:
        try:
            event = json.loads(line)
            _check(event)
        except (ValueError, TypeError, AttributeError):
            number = 1 + self.path.read_bytes()[: self._end].count(b"\n")
            raise RunError(f"{self.path} line {number} is no event of a run, {line[:40]!r}: remove the line") from None
        return event


def _check(event: Event) -> None:
    kind = event.get("event")
    if kind not in FIELDS:
        raise ValueError(f"event {kind!r}: one of {', '.join(FIELDS)}")
    missing = [name for name in FIELDS[kind] if name not in event]
    if missing:
        raise ValueError(f"a {kind} event without {', '.join(missing)}: it has {', '.join(FIELDS[kind])}")


def finite(value: Any) -> Any:
    """Return the value with None for every float, however deep, that is not finite."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
