"""Where the time of a run went: its seconds by purpose, over all sessions."""

import time
from collections.abc import Mapping
from typing import Any

from trainables.report import Report

REPORTED = ("train", "sample", "score", "setup")


class TimeSpent:
    """Counts the seconds of a run of which `slots` trials can run at a time.

    Attributes:
        spent: seconds of all sessions up to the last `settle`, by purpose: "wall"; "trials", the time of trials in
            their processes; and those of `REPORTED`, which are parts of it.
    """

    def __init__(self, slots: int, saved: Mapping[str, Any]) -> None:
        """Go on from the `summary` that earlier sessions left in search.json, if there were any."""
        seconds, before = saved.get("seconds", {}), saved.get("slots", slots) * saved.get("wall_seconds", 0.0)
        self.spent: dict[str, float] = {name: seconds.get(name, 0.0) for name in ("wall", "trials", *REPORTED)}
        self._slots = slots
        self._offered: float = saved.get("slot_seconds", before)
        """Slot-seconds of all sessions up to the last `settle`: wall seconds times the slots of each session"""
        self._running: dict[str, float] = {}
        """For each running trial, when its time was last added to `spent`"""
        self._heard: dict[str, float] = {}
        """For each running trial, when it started or last reported"""
        self._settled = time.monotonic()

    def start(self, trial: str) -> None:
        """Begin to count a trial's time."""
        self._running[trial] = self._heard[trial] = time.monotonic()

    def report(self, report: Report) -> None:
        """Add the seconds that a trial reports, at most those since it started or last reported in this session.

        A trial may report more seconds than those: it spent the rest in a session that was killed before it could count
        them.
        """
        now = time.monotonic()
        since = now - self._heard.get(report.trial, now)
        self._heard[report.trial] = now
        seconds = {name: getattr(report, f"{name}_seconds") for name in REPORTED}
        reported = sum(seconds.values())
        share = min(1.0, since / reported) if reported else 0.0
        for name in REPORTED:
            self.spent[name] += share * seconds[name]

    def end(self, trial: str) -> None:
        """Stop counting a trial's time."""
        self.settle()
        self._running.pop(trial, None)
        self._heard.pop(trial, None)

    def settle(self) -> None:
        """Move the time until now into `spent`."""
        now = time.monotonic()
        self.spent["wall"] += now - self._settled
        self._offered += self._slots * (now - self._settled)
        self._settled = now
        for trial, since in self._running.items():
            self.spent["trials"] += now - since
            self._running[trial] = now

    def summary(self) -> dict[str, Any]:
        """Return what `search.json` says about where the time went.

        `overhead` is the share of the trials' time that was neither training nor sampling nor scoring. `idle` is the
        share of the slots' time in which no trial ran: between trials, and while the last trials end.
        """
        self.settle()
        seconds = {name: round(value, 3) for name, value in self.spent.items()}
        trials, useful = self.spent["trials"], sum(self.spent[name] for name in ("train", "sample", "score"))
        return {
            "wall_seconds": seconds["wall"],
            "slots": self._slots,
            "slot_seconds": round(self._offered, 3),
            "seconds": seconds,
            "overhead": round(1 - useful / trials, 4) if trials else None,
            "idle": round(1 - trials / self._offered, 4) if self._offered else None,
        }
