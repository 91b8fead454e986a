"""Sends records to trackers from threads of their own: a tracker that is slow or away keeps nothing waiting.

A record holds all of its trial, so only the newest of each trial waits to be sent, and what could not be sent is sent
again as a whole. The log has everything: what a session could not send is sent by the next, or by search/send.py.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from analysis.run.run import Run
from analysis.text.words import printable
from search.trackers.record import Record, take_in

RETRY_SECONDS = 30.0  # after a failure
LAST_TRIES = 3  # failures in a row with which the end of a session gives up
CLOSING_SECONDS = 10.0  # that the end of a session waits for what is still to be sent
LONGEST = 200  # letters of a tracker's error that are shown


class Tracker(Protocol):
    """The client of a tracker; an error that it raises is shown, and the record is sent again."""

    def send(self, record: Record) -> None:
        """Make the tracker's run of a trial hold what the record holds; what is there already is not sent again."""

    def close(self) -> None:
        """Close the runs that are open; a session that ends without this call loses none of them."""


class Sending:
    """A thread that sends to one tracker.

    Attributes:
        name: of the tracker, as --log-to has it.
        trouble: what it failed with last, in one line; empty where it never failed.
    """

    def __init__(self, name: str, connect: Callable[[], Tracker]) -> None:
        """Start the thread, which calls `connect`; that call may take long, or raise."""
        self.name, self.trouble = name, ""
        self._connect = connect
        self._waiting: dict[str, Record] = {}
        self._changed = threading.Condition()
        self._closing = False
        # A daemon, because a tracker may never answer.
        self._thread = threading.Thread(target=self._work, name=f"log-to {name}", daemon=True)
        self._thread.start()

    def put(self, record: Record) -> None:
        """Send a record once its turn comes, in place of an older one of its trial."""
        with self._changed:
            self._waiting[record.identity] = record
            self._changed.notify_all()

    def finish(self) -> None:
        """Let the thread end once it has sent what waits."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def close(self, seconds: float | None = CLOSING_SECONDS) -> bool:
        """Send what still waits, for so many seconds at the most, and return whether all was sent."""
        self.finish()
        self._thread.join(seconds)
        return not self._thread.is_alive() and not self._waiting

    def _work(self) -> None:
        tracker: Tracker | None = None
        failures = 0  # in a row
        while (record := self._next()) is not None:
            try:
                tracker = tracker or self._connect()
                tracker.send(record)
            except Exception as error:  # clients raise anything
                self._postpone(record)
                self._close(tracker)
                tracker = None  # what it has after all is found when it is connected again
                self._tell(error)
                failures += 1
                if not self._tries_again(failures):
                    return
            else:
                self._sent(record)
                failures = 0
        self._close(tracker)

    def _close(self, tracker: Tracker | None) -> None:
        try:
            if tracker is not None:
                tracker.close()
        except Exception as error:
            self._tell(error)

    def _next(self) -> Record | None:
        """Return the record that has waited longest, once there is one; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            return next(iter(self._waiting.values()), None)

    def _sent(self, record: Record) -> None:
        with self._changed:
            if self._waiting[record.identity] is record:
                del self._waiting[record.identity]

    def _postpone(self, record: Record) -> None:
        """Let a record wait behind the others: it may be the only one that the tracker refuses."""
        with self._changed:
            self._waiting[record.identity] = self._waiting.pop(record.identity)

    def _tries_again(self, failures: int) -> bool:
        """Return whether to try again after so many failures in a row; wait before, but not at the end of a session."""
        with self._changed:
            if self._closing:
                return failures < LAST_TRIES
            self._changed.wait_for(lambda: self._closing, RETRY_SECONDS)
            return True

    def _tell(self, error: Exception) -> None:
        said = next(iter(str(error).splitlines()), "") or type(error).__name__
        self.trouble = printable(said)[:LONGEST]


class Trackers:
    """All trackers of a session."""

    def __init__(self, sendings: Sequence[Sending] = (), say: Callable[[str], None] = print) -> None:
        """Send to these; `say` is called with a line, from the thread of the caller."""
        self._sendings, self._say = sendings, say
        self._records: dict[str, dict[str, Record]] = {}
        """By the URI of a run, by trial"""
        self._read: dict[str, int] = {}
        self._told: set[str] = set()

    def follow(self, run: Run) -> None:
        """Send what the log of a run has got since the last call; all of it at the first."""
        if not self._sendings:
            return
        events = run.events()
        records, read = self._records.setdefault(run.uri, {}), self._read.get(run.uri, 0)
        self._read[run.uri] = len(events)
        for record in take_in(records, events[read:], run):
            for sending in self._sendings:
                sending.put(record)

    def look(self) -> None:
        """Say once of each tracker that it is in trouble."""
        for sending in self._sendings:
            if sending.trouble and sending.name not in self._told:
                self._told.add(sending.name)
                self._say(f"{sending.name} fails and is tried again, the search goes on without it: {sending.trouble}")

    def close(self, seconds: float | None = CLOSING_SECONDS) -> bool:
        """Send what still waits, for so many seconds at the most; return whether each tracker has all, else say so."""
        until = None if seconds is None else time.monotonic() + seconds
        for sending in self._sendings:  # all at a time: one that hangs takes nothing from the others
            sending.finish()
        missing = []
        for sending in self._sendings:
            left = None if until is None else max(0.0, until - time.monotonic())
            if not sending.close(left):
                missing.append(sending)
        for sending in missing:
            why = f" ({sending.trouble})" if sending.trouble else ""
            self._say(f"{sending.name} has not got everything{why}; search/send.py sends what is missing")
        return not missing
