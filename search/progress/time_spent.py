"""Where the time of a run went: its seconds by purpose, over all sessions."""

import time
from dataclasses import dataclass, field, fields
from typing import Any, Self

from trainables.report import Report


@dataclass
class Seconds:
    """Seconds of a run; `trials` sums the time of trials in their processes, the next four are parts of it."""

    wall: float = 0.0
    trials: float = 0.0
    train: float = 0.0
    sample: float = 0.0
    score: float = 0.0
    setup: float = 0.0


@dataclass
class TimeSpent:
    """Counts the seconds of a run of which `slots` trials can run at a time."""

    slots: int
    spent: Seconds = field(default_factory=Seconds)
    """Seconds of all sessions, up to the last `settle`."""
    offered: float = 0.0
    """Slot-seconds of all sessions up to the last `settle`: wall seconds times the slots of each session."""
    _running: dict[str, float] = field(default_factory=dict)
    """For each running trial, when its time was last added to `spent.trials`"""
    _heard: dict[str, float] = field(default_factory=dict)
    """For each running trial, when it started or last reported"""
    _settled: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin to count the session's time."""
        self._settled = time.monotonic()

    @classmethod
    def load(cls, slots: int, saved: dict[str, Any]) -> Self:
        """Go on from the `summary` that earlier sessions left in search.json, if there were any."""
        before = saved.get("slots", slots) * saved.get("wall_seconds", 0.0)
        seconds = {entry.name: saved.get("seconds", {}).get(entry.name, 0.0) for entry in fields(Seconds)}
        return cls(slots, Seconds(**seconds), saved.get("slot_seconds", before))

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
        reported = report.train_seconds + report.sample_seconds + report.score_seconds + report.setup_seconds
        share = min(1.0, since / reported) if reported else 0.0
        self.spent.train += share * report.train_seconds
        self.spent.sample += share * report.sample_seconds
        self.spent.score += share * report.score_seconds
        self.spent.setup += share * report.setup_seconds

    def end(self, trial: str) -> None:
        """Stop counting a trial's time."""
        self.settle()
        self._running.pop(trial, None)
        self._heard.pop(trial, None)

    def settle(self) -> None:
        """Move the time until now into `spent`."""
        now = time.monotonic()
        self.spent.wall += now - self._settled
        self.offered += self.slots * (now - self._settled)
        self._settled = now
        for trial, since in self._running.items():
            self.spent.trials += now - since
            self._running[trial] = now

    def summary(self) -> dict[str, Any]:
        """Return what `search.json` says about where the time went.

        `overhead` is the share of the trials' time that was neither training nor sampling nor scoring. `idle` is the
        share of the slots' time in which no trial ran: between trials, and while the last trials end.
        """
        self.settle()
        seconds = {entry.name: round(getattr(self.spent, entry.name), 3) for entry in fields(self.spent)}
        useful = self.spent.train + self.spent.sample + self.spent.score
        return {
            "wall_seconds": seconds["wall"],
            "slots": self.slots,
            "slot_seconds": round(self.offered, 3),
            "seconds": seconds,
            "overhead": round(1 - useful / self.spent.trials, 4) if self.spent.trials else None,
            "idle": round(1 - self.spent.trials / self.offered, 4) if self.offered else None,
        }
