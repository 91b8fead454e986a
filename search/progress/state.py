"""The progress of a search: its trials by state, its rungs, its pace, and the time left."""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from analysis.run.events import State
from search.history import History
from search.progress.budget import Budget
from search.settings import Settings
from trainables.report import Report

STATES: tuple[State, ...] = ("RUNNING", "PAUSED", "COMPLETE", "PRUNED", "FAILED")
PACE_SECONDS = 20.0  # of training after which a running trial's pace is told; the first steps are slower


@dataclass
class Rung:
    """The trials at one rung."""

    images: int
    reached: dict[str, Report] = field(default_factory=dict)
    """The report of each trial here"""
    continued: set[str] = field(default_factory=set)
    """Trials that continued from here"""
    best: str | None = None
    """The trial with the lowest FMD here"""

    def add(self, report: Report) -> None:
        """Record a trial's report at this rung."""
        self.reached[report.trial] = report
        if not report.diverged and (self.best is None or report.fmd < self.reached[self.best].fmd):
            self.best = report.trial


@dataclass
class _Stretch:
    """What a running trial has trained since it started or reported last; seconds are those of the budget."""

    begun: float
    images_then: int
    now: float
    images: int


@dataclass
class _Pace:
    """What this session has done since `begun`; in seconds, apart from images and ends."""

    begun: float
    last_report: float = 0.0
    images: float = 0.0
    ends: int = 0
    of_trials: float = 0.0
    useful: float = 0.0


class Progress:
    """States and reports of a search's trials, or of a confirmation's; times are those of the command's budget."""

    def __init__(self, settings: Settings, budget: Budget, after: Callable[[], float] = lambda: 0.0) -> None:
        """Start without trials; `after` returns the seconds of the budget that are for what comes after them."""
        self.settings, self.budget, self._after = settings, budget, after
        self.states: dict[str, State] = {}
        """State by trial, in the order of their starts"""
        self.reports: dict[str, Report] = {}
        """The last report of each trial that has one"""
        self._ranked: list[tuple[tuple[float, bool, float], str]] = []
        self.rungs = tuple(Rung(images) for images in settings.rungs)
        self._since: dict[str, float] = {}
        self._stretches: dict[str, _Stretch] = {}
        self._pace = _Pace(budget.elapsed())

    def recall(self, history: History) -> None:
        """Count what earlier sessions did; a trial that was interrupted counts again once it starts again."""
        for name in sorted(history.starts):
            for report in history.reports.get(name, []):
                self._add(report)
            if name in history.ended:
                self.left(name, history.ended[name])
            elif history.is_paused(name):
                self.left(name, "PAUSED")
        self._pace = _Pace(self.budget.elapsed())

    def started(self, name: str) -> None:
        """Record that a trial starts, starts again after an interruption, or continues from where it paused."""
        if name in self.reports:
            self._rung(self.reports[name]).continued.add(name)
        self.states[name] = "RUNNING"
        self._since[name] = self.budget.elapsed()
        self._stretches.pop(name, None)

    def advanced(self, name: str, images: int) -> None:
        """Record how many images a running trial has seen; 0 where its training has not begun."""
        now = self.budget.elapsed()
        if images:
            stretch = self._stretches.setdefault(name, _Stretch(now, images, now, images))
            stretch.now, stretch.images = now, images

    def images_seen(self, name: str) -> int:
        """Return how many images a running trial has seen; 0 where that is not known since its start or last report."""
        return self._stretches[name].images if name in self._stretches else 0

    def next_rung(self, name: str) -> int:
        """Return the images of the rung that a running trial trains to."""
        passed = self.reports[name].rung if name in self.reports else -1
        return self.rungs[min(passed + 1, len(self.rungs) - 1)].images

    def seconds_to_rung(self, name: str) -> float | None:
        """Return the seconds that a running trial trains to its next rung; None until its pace is known."""
        stretch = self._stretches.get(name)
        if stretch is None or stretch.now - stretch.begun < PACE_SECONDS or stretch.images == stretch.images_then:
            return None
        pace = (stretch.images - stretch.images_then) / (stretch.now - stretch.begun)
        return max(0, self.next_rung(name) - stretch.images) / pace

    def reported(self, report: Report, continues: bool) -> None:
        """Record a report, and whether the trial continues from there at once."""
        self._add(report)
        if continues:
            self._rung(report).continued.add(report.trial)
        pace, now = self._pace, self.budget.elapsed()
        since = now - self._since.get(report.trial, now)
        pace.images += report.images_per_second * report.train_seconds
        # A session that was killed spent what a trial reports beyond its time in this one.
        pace.useful += min(since, report.train_seconds + report.sample_seconds + report.score_seconds)
        pace.of_trials += since
        self._since[report.trial] = pace.last_report = now

    def left(self, name: str, state: State) -> None:
        """Record that a trial left its slot, PAUSED or for good."""
        self.states[name] = state
        self._stretches.pop(name, None)
        self._pace.ends += 1

    def counts(self) -> dict[State, int]:
        """Return how many trials are in each state that a trial is in."""
        counts = Counter(self.states.values())
        return {state: counts[state] for state in STATES if state in counts}

    def diverged(self) -> int:
        """Return how many trials diverged."""
        return sum(report.diverged for report in self.reports.values())

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
        return 1 - pace.useful / pace.of_trials if pace.of_trials else None

    def trials_left(self) -> float:
        """Return the seconds of the budget that are left to the trials."""
        return max(0.0, self.budget.left() - self._after())

    def seconds_left(self) -> tuple[float, bool]:
        """Return the seconds that the command may still take, and whether that is an estimate or else a bound.

        The estimate assumes that the trials that are left end at the pace at which trials of this session ended; a
        running trial counts as half of one. It is at most the time that is left to the trials, and what comes after
        them is added. There is no estimate before the first end, after the time of the trials is up, or while trials
        are paused, because it is not known how many of those continue. The bound is what is left of the budget.
        """
        left, after, counts = self.budget.left(), self._after(), self.counts()
        if not self._pace.ends or counts.get("PAUSED") or left <= after:
            return max(0.0, left), False
        trials = max(0, self.settings.trials - len(self.states)) + counts.get("RUNNING", 0) / 2
        pace = (self.budget.elapsed() - self._pace.begun) / self._pace.ends
        return min(trials * pace, left - after) + after, True

    def _add(self, report: Report) -> None:
        self._stretches.pop(report.trial, None)
        before = self.reports.get(report.trial)
        if before is not None:
            self._rung(before).continued.add(report.trial)
            del self._ranked[bisect_left(self._ranked, (_order(before), report.trial))]
        self.reports[report.trial] = report
        insort(self._ranked, (_order(report), report.trial))
        self._rung(report).add(report)

    def _rung(self, report: Report) -> Rung:
        return self.rungs[report.rung]


def _order(report: Report) -> tuple[float, bool, float]:
    return -report.images_seen, report.diverged, report.fmd
