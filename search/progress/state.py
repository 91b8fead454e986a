"""How far a search is: its trials by state, its rungs, its pace, and the time that it may still take."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from search.progress.budget import OVERTIME, Ledger

if TYPE_CHECKING:
    from search.settings import Settings
    from search.study.resume import History

WORDS = {"COMPLETE": "complete", "PRUNED": "stopped", "FAIL": "failed"}
STATES = ("running", "paused", "complete", "stopped", "diverged", "failed")


@dataclass
class Rung:
    """What became of the trials at one rung."""

    images: int
    reached: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The report of each trial there."""
    went_on: set[str] = field(default_factory=set)
    best: str | None = None
    """The trial with the lowest FMD here"""

    def reach(self, name: str, report: dict[str, Any]) -> None:
        """A trial reports here."""
        self.reached[name] = report
        if not report["diverged"] and (self.best is None or report["fmd"] < self.reached[self.best]["fmd"]):
            self.best = name


@dataclass
class _Pace:
    """What this session has done, since `begun`; all in seconds but for images and ends."""

    begun: float
    last_report: float = 0.0
    images: float = 0.0
    ends: int = 0
    of_trials: float = 0.0
    useful: float = 0.0


class Progress:
    """Keeps what it is told about trials; times are those of the ledger."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        """Know of no trial yet."""
        self.settings, self.ledger = settings, ledger
        self.states: dict[str, str] = {}
        """One of `STATES` by trial, in the order of their starts."""
        self.reports: dict[str, dict[str, Any]] = {}
        """The last report of each trial that has one."""
        self._ranked: list[tuple[tuple[float, bool, float], str]] = []
        self.rungs = tuple(Rung(images) for images in settings.rungs)
        self._since: dict[str, float] = {}
        self._pace = _Pace(ledger.elapsed())

    def recall(self, history: History) -> None:
        """Take in what earlier sessions did; a trial that was interrupted counts again once it starts again."""
        for name in sorted(history.started):
            for report in history.reports.get(name, []):
                self._enter(name, report)
            if name in history.ended:
                self.ended(name, history.ended[name])
            elif history.waits(name):
                self.paused(name)
        self._pace = _Pace(self.ledger.elapsed())

    def started(self, name: str) -> None:
        """A trial starts, starts again after an interruption, or goes on from where it paused."""
        if name in self.reports:
            self._rung(self.reports[name]).went_on.add(name)
        self.states[name] = "running"
        self._since[name] = self.ledger.elapsed()

    def reported(self, name: str, report: dict[str, Any], goes_on: bool) -> None:
        """A trial reports, and goes on from there at once or not."""
        self._enter(name, report)
        if goes_on:
            self._rung(report).went_on.add(name)
        pace, now = self._pace, self.ledger.elapsed()
        pace.images += report["images_per_second"] * report["train_seconds"]
        pace.useful += sum(report[f"{part}_seconds"] for part in ("train", "sample", "score"))
        pace.of_trials += now - self._since.get(name, now)
        self._since[name] = pace.last_report = now

    def paused(self, name: str) -> None:
        """A trial left its slot, to go on later or never."""
        self.states[name] = "paused"
        self._pace.ends += 1

    def ended(self, name: str, state: str) -> None:
        """A trial ended as Optuna has it: COMPLETE, PRUNED or FAIL."""
        diverged = name in self.reports and self.reports[name]["diverged"]
        self.states[name] = "diverged" if diverged else WORDS[state]
        self._pace.ends += 1

    def counts(self) -> dict[str, int]:
        """Return how many trials are in each state that one is in."""
        counts = Counter(self.states.values())
        return {state: counts[state] for state in STATES if state in counts}

    def ranked(self) -> list[str]:
        """Return the trials that have reported: the larger budget first, then the lower FMD."""
        return [name for _, name in self._ranked]

    def images_per_second(self) -> float | None:
        """Return images trained on a second, all slots together, up to the last report of this session."""
        seconds = self._pace.last_report - self._pace.begun
        return self._pace.images / seconds if seconds > 0 and self._pace.images else None

    def overhead(self) -> float | None:
        """Return the share of the trials' time, up to their last reports, without training, sampling or scoring."""
        pace = self._pace
        return max(0.0, 1 - pace.useful / pace.of_trials) if pace.of_trials else None

    def seconds_left(self) -> tuple[float, bool]:
        """Return the seconds that the search may still take, and whether that is an estimate or else a bound.

        The estimate is the trials that are left, those that run as halves, at the pace at which trials of this session
        ended, or what is left of the time budget if that is less. There is none before the first end, nor while trials
        are paused, of which nobody knows how many go on, nor once the budget is spent. The bound is what the last
        trials may take beyond the budget.
        """
        elapsed, counts, budget = self.ledger.elapsed(), self.counts(), self.ledger.budget
        if not self._pace.ends or counts.get("paused") or elapsed >= budget:
            return max(0.0, OVERTIME * budget - elapsed), False
        left = max(0, self.settings.trials - len(self.states)) + counts.get("running", 0) / 2
        return min(left * (elapsed - self._pace.begun) / self._pace.ends, budget - elapsed), True

    def _enter(self, name: str, report: dict[str, Any]) -> None:
        if name in self.reports:
            self._rung(self.reports[name]).went_on.add(name)
            del self._ranked[bisect_left(self._ranked, (_order(self.reports[name]), name))]
        self.reports[name] = report
        insort(self._ranked, (_order(report), name))
        self._rung(report).reach(name, report)

    def _rung(self, report: dict[str, Any]) -> Rung:
        return self.rungs[report["rung"]]


def _order(report: dict[str, Any]) -> tuple[float, bool, float]:
    return -report["images_seen"], report["diverged"], report["fmd"]
