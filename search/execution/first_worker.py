"""Whether the first trial of a session begins: where its process cannot start, Ray tries again for ever."""

import time
from collections.abc import Callable
from pathlib import Path

import ray

from search.execution.local import last_complaint
from search.machine import MachineError

# Imports before the first step take seconds, and a minute on a machine that is busy with other things.
LIMIT = 300.0  # seconds
EVERY = 5.0  # seconds between two looks
TELL = 20.0  # seconds without a place after which it is said
FULL = (
    "the cluster has no free cores or GPUs for a trial: this search waits for some, and its time goes on; `ray status` "
    "shows what is in use; ctrl-C ends it, and --resume NAME --time-budget SECONDS goes on later with more time"
)


class FirstWorker:
    """Ends a session where a trial has its place, and none begins in `limit` seconds or before the time is up.

    A place is the cores and GPUs of a trial on one machine. On a cluster others may have taken them all, or its
    machines are still to come: that may last.
    """

    def __init__(self, note: Callable[[str], object], limit: float = LIMIT) -> None:
        """Begin without a trial; `note` is told once if there is no place for one."""
        self._note, self._limit = note, limit
        self._begun = self._told = False
        self._asked = self._looked = self._placed = 0.0

    def asked(self) -> None:
        """Record that a trial is to begin."""
        if not self._asked:
            self._asked = self._looked = time.monotonic()

    def begins(self) -> None:
        """Record that a trial has begun."""
        self._begun = True

    def require(self, *, at_the_end: bool = False) -> None:
        """Raise MachineError if it is too late for a trial to begin."""
        if self._begun or not self._asked:
            return
        now = time.monotonic()
        if now - self._looked >= EVERY and not at_the_end:
            self._look(now)
        if self._placed and (at_the_end or now - self._placed >= self._limit):
            said = last_complaint(Path(ray.get_runtime_context().get_temp_dir()))
            told = f"; the last that one of them said is: {said}" if said else ""
            waited = now - self._placed
            raise MachineError(f"no trial began in {waited:.0f} seconds, because their processes do not start{told}")

    def _look(self, now: float) -> None:
        """Record whether a trial has a place."""
        self._looked = now
        if _has_place():
            self._placed = self._placed or now
            return
        self._placed = 0.0
        if now - self._asked >= TELL and not self._told:
            self._told = True
            self._note(FULL)


def _has_place() -> bool:
    """Return whether Ray holds a place for any trial of this session."""
    own = ray.get_runtime_context().get_job_id()  # with which the names of what a session asks for end
    groups = ray.util.placement_group_table()
    return any(name.endswith(own) and group["state"] == "CREATED" for name, group in groups.items())
