"""Early stopping over images seen: which trials continue at a rung, pause there or stop, decided by the reports alone.

| scheduler | at a rung | paper |
| --- | --- | --- |
| asha | trials pause; the best 1/eta that reported are promoted, at once or later | Li et al. 2020, algorithm 2 |
| asha-stopping | the best 1/eta that reported so far continue, the others stop | Li et al. 2020, in Ray Tune |
| hyperband | as asha-stopping, but some trials are first compared at a later rung | Li et al. 2018 |
| iepoch | trials pause at the first rung; at its end the best few continue to the end | Egele et al. 2023 |
| none | all continue | |

A space's first starting points can lead: they continue to the full budget whatever they report, so that there is soon
a value to compare with.

A scheduler has no state but the reports it was given and the trials it promoted, so a resumed search rebuilds it from
the log. This module knows neither Ray nor Optuna; tests/benchmarks/simulator.py runs it on recorded curves.
"""

import math
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from functools import cached_property
from typing import NamedTuple

from trainables.report import Report


class Decision(Enum):
    """What a trial does at a rung."""

    CONTINUE = "continue"
    PAUSE = "pause"
    STOP = "stop"


class Place(NamedTuple):
    """A trial at a rung; places are ranked in the order of these fields."""

    value: float
    arrival: int
    """How many trials had reported at the rung before it."""
    trial: int
    """The trial's number."""


class Scheduler:
    """The scheduler `none`, which lets all trials continue; the base of the others."""

    def __init__(self, rungs: tuple[int, ...], eta: int, unstopped: int = 0) -> None:
        """Start without reports.

        Args:
            rungs: images seen, ascending; the last is the full budget.
            eta: reduction factor.
            unstopped: how many of the first trials go on to the full budget whatever they report, unless they diverge.
        """
        self.rungs, self.eta, self.unstopped = rungs, eta, unstopped
        self.paused: dict[int, int] = {}
        """Index of the rung at which each paused trial waits, by the trial's number"""
        self._places: tuple[dict[int, Place], ...] = tuple({} for _ in rungs)
        """Of each rung, the place of every trial that reported there"""
        self._ranked: tuple[list[Place], ...] = tuple([] for _ in rungs)
        """Of each rung, the places of trials that continued or still may, best first"""

    def next_rung(self, images_seen: int) -> int:
        """Return the first rung after `images_seen`."""
        return min(rung for rung in self.rungs if rung > images_seen)

    def has_report(self, trial: int) -> bool:
        """Return whether a trial has reported."""
        return trial in self._places[0]

    def remove(self, trial: int) -> None:
        """Handle the end of a trial, for whatever reason: its place at its last rung is free for others."""
        self.paused.pop(trial, None)
        reached = [rung for rung, places in enumerate(self._places) if trial in places]
        if not reached:
            return
        with suppress(ValueError):  # it was removed before
            self._ranked[reached[-1]].remove(self._places[reached[-1]][trial])

    def on_report(self, trial: int, report: Report) -> Decision:
        """Record a trial's report at its rung, and return what the trial does.

        A report that is repeated after a restart changes nothing: the trial continued the first time. A diverged trial
        stops, and is ranked last, because the value of black images is lower than the first values of many good models.
        """
        rung = self.rungs.index(report.images_seen)
        repeated = trial in self._places[rung]
        if not repeated:
            self._rank(trial, rung, math.inf if report.diverged else report.fmd)
        self.paused.pop(trial, None)
        if report.diverged or rung == len(self.rungs) - 1:
            return Decision.STOP
        if repeated or trial < self.unstopped:
            return Decision.CONTINUE
        decision = self._decide(trial, rung)
        if decision is Decision.PAUSE:
            self.paused[trial] = rung
        return decision

    def promote(self, more: bool, idle: bool, can: Callable[[int], bool] = lambda trial: True) -> int | None:
        """Return the number of a paused trial that continues now, which then is paused no longer, or None.

        Args:
            more: whether trials are to come that have not reported yet.
            idle: whether no trial runs.
            can: says whether there is time to take the trial of a number to its next rung.
        """
        chosen = self._choose(more, idle and not more, can)
        if chosen is not None:
            del self.paused[chosen]
        return chosen

    def unpromotable(self, to_come: int) -> list[int]:
        """Return the paused trials that can never be promoted, unless a better one fails.

        `to_come` is the number of trials that have still to reach the first rung.
        """
        return []

    def _rank(self, trial: int, rung: int, value: float) -> None:
        places = self._places[rung]
        places[trial] = Place(value, len(places), trial)
        insort(self._ranked[rung], places[trial])

    def _decide(self, trial: int, rung: int) -> Decision:
        return Decision.CONTINUE

    def _choose(self, more: bool, last: bool, can: Callable[[int], bool]) -> int | None:
        return None

    def _best_paused(self, rung: int, count: int, can: Callable[[int], bool]) -> int | None:
        """Return the best paused trial among the best `count` at a rung that can continue."""
        paused = (place.trial for place in self._ranked[rung][:count] if self._is_paused(place.trial, rung))
        return next((trial for trial in paused if can(trial)), None)

    def _paused_beyond(self, rung: int, count: int) -> list[int]:
        """Return the trials that are paused at a rung and not among its best `count`."""
        return [place.trial for place in self._ranked[rung][count:] if self._is_paused(place.trial, rung)]

    def _is_paused(self, trial: int, rung: int) -> bool:
        return self.paused.get(trial) == rung


class ASHA(Scheduler):
    """Asynchronous successive halving: every trial pauses at its rung, and the best 1/eta of each rung are promoted.

    The higher rung goes first (Li et al. 2020, algorithm 2). A trial is compared with all that report until the end,
    where `ASHAStopping` compares it with those before it; the price is a checkpoint of every paused trial. When nothing
    else is left to do, the best of a rung is promoted even if that is more than 1/eta.
    """

    def unpromotable(self, to_come: int) -> list[int]:
        """See `Scheduler`: those beyond the best 1/eta even if all others reported and were worse."""
        found = []
        for rung, ranked in enumerate(self._ranked[:-1]):
            reported, promoted = len(self._places[rung]), len(self._places[rung + 1])
            share = max(1, (reported + to_come) // self.eta)
            found += self._paused_beyond(rung, share)
            # The next rung can still be reached by trials on their way there and by paused trials within the share.
            on_the_way = len(ranked) - promoted - sum(at == rung for at in self.paused.values())
            promotable = sum(self._is_paused(place.trial, rung) for place in ranked[:share])
            to_come += on_the_way + promotable
        return found

    def _decide(self, trial: int, rung: int) -> Decision:
        # A trial within the share would be promoted next: to continue at once spares the way through its checkpoint.
        share = len(self._places[rung]) // self.eta
        within = bisect_left(self._ranked[rung], self._places[rung][trial]) < share
        return Decision.CONTINUE if within else Decision.PAUSE

    def _choose(self, more: bool, last: bool, can: Callable[[int], bool]) -> int | None:
        for rung in reversed(range(len(self.rungs) - 1)):
            share = len(self._places[rung]) // self.eta
            best = self._best_paused(rung, max(1, share) if last else share, can)
            if best is not None:
                return best
        return None


class ASHAStopping(Scheduler):
    """Ray Tune's form of ASHA: stops a trial that is not among the best 1/eta of those that reported so far.

    The first trial at each rung continues.
    """

    def __init__(self, rungs: tuple[int, ...], eta: int, unstopped: int = 0) -> None:
        super().__init__(rungs, eta, unstopped)
        self._values: dict[tuple[int, int], list[float]] = defaultdict(list)
        """Ascending values by rung and bracket"""

    def bracket(self, trial: int) -> int:
        """Return the index of the rung at which a trial is first compared, with the others of its bracket."""
        return 0

    def _rank(self, trial: int, rung: int, value: float) -> None:
        super()._rank(trial, rung, value)
        insort(self._values[rung, self.bracket(trial)], value)

    def _decide(self, trial: int, rung: int) -> Decision:
        bracket = self.bracket(trial)
        if rung < bracket:
            return Decision.CONTINUE
        values = self._values[rung, bracket]
        better = bisect_left(values, self._places[rung][trial].value)
        return Decision.CONTINUE if better < max(1, len(values) // self.eta) else Decision.STOP


class Hyperband(ASHAStopping):
    """ASHA in brackets: trials of bracket s are first compared at rung s, with trials of their bracket only.

    For S + 1 rungs, bracket s gets ceil((S + 1) / (s + 1) eta^s) trials of each round, as in Hyperband, interleaved in
    a fixed order, so that a trial's number tells its bracket.
    """

    @cached_property
    def _brackets(self) -> list[int]:
        """The bracket of each trial of a round."""
        count, positions = len(self.rungs), []
        for s in range(count):
            size = math.ceil(count / (s + 1) * self.eta**s)
            positions += [((i + 0.5) / size, -size, count - 1 - s) for i in range(size)]
        return [bracket for _, _, bracket in sorted(positions)]

    def bracket(self, trial: int) -> int:
        """Return the index of the rung at which a trial is first compared; in the last bracket it never is."""
        return self._brackets[trial % len(self._brackets)]


class IEpoch(Scheduler):
    """Every trial pauses at the first rung, and then the best few continue to the full budget (Egele et al. 2023).

    "Is One Epoch All You Need For Multi-Fidelity Hyperparameter Optimization?"
    """

    # As many as a run keeps checkpoints of and confirms.
    FINISHED = 3

    def unpromotable(self, to_come: int) -> list[int]:
        """See `Scheduler`: those that are not among the best few already."""
        return self._paused_beyond(0, self.FINISHED)

    def _decide(self, trial: int, rung: int) -> Decision:
        return Decision.PAUSE if rung == 0 else Decision.CONTINUE

    def _choose(self, more: bool, last: bool, can: Callable[[int], bool]) -> int | None:
        return None if more else self._best_paused(0, self.FINISHED, can)


SCHEDULERS: dict[str, type[Scheduler]] = {
    "asha": ASHA,
    "asha-stopping": ASHAStopping,
    "hyperband": Hyperband,
    "iepoch": IEpoch,
    "none": Scheduler,
}
