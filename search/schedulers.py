"""Early stopping over images seen: who goes on at a rung, who waits there, who stops, by the reports alone.

| scheduler | at a rung | paper |
| --- | --- | --- |
| promotion | all wait; the best 1/eta of those that came go on, at once or later | Li et al. 2020, algorithm 2 |
| asha | the best 1/eta of those that came so far go on, the others stop | Li et al. 2020, as Ray Tune's ASHA |
| hyperband | as asha, but some trials are first compared at a later rung, some never | Li et al. 2018 |
| iepoch | at the first rung all wait; when all have come the best few go on to the end | Egele et al. 2023 |
| none | all go on | |

Trials that are known to be good can lead: they go to the full budget at once, so that there is soon something to beat.

A scheduler has no state but the reports it was given and what it had go on again, so a search that is resumed rebuilds
it by giving it the log. It knows neither Ray nor Optuna; search/simulator.py runs it on recorded curves.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Mapping
from enum import Enum
from typing import Any

Report = Mapping[str, Any]
Place = tuple[float, int, int]
"""A trial at a rung: its value there, how many had come before it, its number; in this order they are ranked."""


class Fate(Enum):
    """What becomes of a trial at a rung."""

    GOES_ON = "goes on"
    WAITS = "waits"
    STOPS = "stops"


class Scheduler:
    """Lets all trials go on to the full budget; the base of those that do not."""

    def __init__(self, rungs: tuple[int, ...], eta: int, leading: int = 0) -> None:
        """Start empty.

        Args:
            rungs: in images seen, ascending, the last the full budget.
            eta: the reduction factor.
            leading: how many of the first trials go to the full budget whatever they report, if they do not diverge.
        """
        self.rungs, self.eta, self.leading = rungs, eta, leading
        self.waiting: dict[int, int] = {}
        """Trials that wait, by number, and the index of the rung at which they do"""
        self._places: tuple[dict[int, Place], ...] = tuple({} for _ in rungs)
        self._ranked: tuple[list[Place], ...] = tuple([] for _ in rungs)
        """Of each rung the places, best first, of trials that went on or still may"""

    def next_rung(self, images_seen: int) -> int:
        """Return the first rung after `images_seen`."""
        return min(rung for rung in self.rungs if rung > images_seen)

    def heard_of(self, trial: int) -> bool:
        """Return whether a trial has reported."""
        return trial in self._places[0]

    def withdraw(self, trial: int) -> None:
        """Take in that a trial has ended, for whatever reason: it holds no place any more of those that may go on."""
        self.waiting.pop(trial, None)
        reached = [rung for rung, places in enumerate(self._places) if trial in places]
        if reached:
            ranked, place = self._ranked[reached[-1]], self._places[reached[-1]][trial]
            at = bisect_left(ranked, place)
            if ranked[at : at + 1] == [place]:
                del ranked[at]

    def enter(self, trial: int, report: Report) -> Fate:
        """Take in a trial's report at its rung, and return whether it goes on.

        A report repeated after a restart changes nothing: the trial went on the first time. A diverged trial stops, and
        enters as the worst, because the value of a blank set is better than the first steps of many a good model.
        """
        rung = self.rungs.index(report["images_seen"])
        repeated = trial in self._places[rung]
        if not repeated:
            self._take_in(trial, rung, math.inf if report["diverged"] else report["fmd"])
        self.waiting.pop(trial, None)
        if report["diverged"] or rung == len(self.rungs) - 1:
            return Fate.STOPS
        fate = Fate.GOES_ON if repeated or trial < self.leading else self._fate(trial, rung)
        if fate is Fate.WAITS:
            self.waiting[trial] = rung
        return fate

    def resume(self, more: bool, idle: bool) -> int | None:
        """Return the number of a trial that waited and goes on now, which then waits no longer, or None.

        Args:
            more: whether trials are to come that have not reported yet.
            idle: whether no trial runs.
        """
        chosen = self._chosen(more, idle and not more)
        if chosen is not None:
            del self.waiting[chosen]
        return chosen

    def hopeless(self, to_come: int) -> list[int]:
        """Return the numbers of trials that wait in vain, though `to_come` trials have still to reach the first rung.

        None of them could go on unless one fails that is better.
        """
        return []

    def _take_in(self, trial: int, rung: int, value: float) -> None:
        places = self._places[rung]
        places[trial] = (value, len(places), trial)
        insort(self._ranked[rung], places[trial])

    def _fate(self, trial: int, rung: int) -> Fate:
        return Fate.GOES_ON

    def _chosen(self, more: bool, last: bool) -> int | None:
        return None

    def _among_best(self, trial: int, rung: int, count: int) -> bool:
        """Return whether a trial is among the best `count` at a rung of those that went on or still may."""
        return bisect_left(self._ranked[rung], self._places[rung][trial]) < count

    def _beyond(self, rung: int, count: int) -> list[int]:
        """Return the trials that wait at a rung and are not among its best `count`."""
        return [trial for _, _, trial in self._ranked[rung][count:] if self.waiting.get(trial) == rung]


class ASHA(Scheduler):
    """Stops a trial that is not among the best 1/eta of those that reached its rung so far, the first one never."""

    def __init__(self, rungs: tuple[int, ...], eta: int, leading: int = 0) -> None:
        """Start empty, see `Scheduler`."""
        super().__init__(rungs, eta, leading)
        self._values: dict[tuple[int, int], list[float]] = defaultdict(list)
        """All values at a rung, ascending, of the trials that are compared with each other"""

    def bracket(self, trial: int) -> int:
        """Return the index of the rung at which a trial is first compared, with those of which it is the same."""
        return 0

    def _take_in(self, trial: int, rung: int, value: float) -> None:
        super()._take_in(trial, rung, value)
        insort(self._values[rung, self.bracket(trial)], value)

    def _fate(self, trial: int, rung: int) -> Fate:
        mine = self.bracket(trial)
        values = self._values[rung, mine]
        better = bisect_left(values, self._places[rung][trial][0])
        return Fate.GOES_ON if rung < mine or better < max(1, len(values) // self.eta) else Fate.STOPS


class Hyperband(ASHA):
    """ASHA in brackets: trials of bracket s are first compared at rung s, and only with those of their bracket.

    The brackets share out the trials as Hyperband does, ceil((S + 1) / (s + 1) eta^s) for S + 1 rungs, in a fixed
    order, so that a trial's number tells its bracket. A safeguard where early rungs mislead, at a price that
    tests/benchmarks/schedulers.py measures.
    """

    def __init__(self, rungs: tuple[int, ...], eta: int, leading: int = 0) -> None:
        """Start empty, see `Scheduler`."""
        super().__init__(rungs, eta, leading)
        count = len(rungs)
        sizes = [math.ceil(count / (s + 1) * eta**s) for s in range(count)]
        spread = sorted((((i + 0.5) / size, -size), count - 1 - s) for s, size in enumerate(sizes) for i in range(size))
        self._brackets = [bracket for _, bracket in spread]

    def bracket(self, trial: int) -> int:
        """Return the index of the rung at which a trial is first compared; that of the last is never."""
        return self._brackets[trial % len(self._brackets)]


class Promotion(Scheduler):
    """Has every trial wait at its rung, and the best 1/eta of each rung go on, the higher rung first.

    What ASHA stops by comparing it with few, this compares with all that came until the end; a checkpoint is the price,
    of every trial that may still go on. When nothing else is left to do, the best of a rung goes on even if that is
    more than 1/eta.
    """

    def __init__(self, rungs: tuple[int, ...], eta: int, leading: int = 0) -> None:
        """Start empty, see `Scheduler`."""
        super().__init__(rungs, eta, leading)
        self._queues: tuple[list[Place], ...] = tuple([] for _ in rungs)
        """Of each rung a heap of the trials that wait there, and of some that did"""

    def hopeless(self, to_come: int) -> list[int]:
        """See `Scheduler`: those that would be beyond the best 1/eta even if all others came and were worse."""
        found = []
        for rung, ranked in enumerate(self._ranked[:-1]):
            came, above = len(self._places[rung]), len(self._places[rung + 1])
            share = max(1, (came + to_come) // self.eta)
            found += self._beyond(rung, share)
            # At the next rung may arrive: who is on the way there, who may still leave here, who is to come here.
            on_the_way = len(ranked) - above - sum(at == rung for at in self.waiting.values())
            to_come += on_the_way + sum(self.waiting.get(trial) == rung for _, _, trial in ranked[:share])
        return found

    def _fate(self, trial: int, rung: int) -> Fate:
        # Were it made to wait, it would be the next to go on: this spares it the way through its checkpoint.
        if self._among_best(trial, rung, self._share(rung)):
            return Fate.GOES_ON
        heapq.heappush(self._queues[rung], self._places[rung][trial])
        return Fate.WAITS

    def _chosen(self, more: bool, last: bool) -> int | None:
        for rung in reversed(range(len(self.rungs) - 1)):
            best = self._first_waiting(rung)
            share = max(1, self._share(rung)) if last else self._share(rung)
            if best is not None and self._among_best(best, rung, share):
                return best
        return None

    def _first_waiting(self, rung: int) -> int | None:
        queue = self._queues[rung]
        while queue and self.waiting.get(queue[0][2]) != rung:
            heapq.heappop(queue)
        return queue[0][2] if queue else None

    def _share(self, rung: int) -> int:
        return len(self._places[rung]) // self.eta


class IEpoch(Scheduler):
    """Has every trial wait at the first rung, and then the best few go on to the full budget.

    "Is One Epoch All You Need For Multi-Fidelity Hyperparameter Optimization?": the strongest cheap baseline known.
    """

    # As many as a run keeps checkpoints of and has confirmed.
    FINISHED = 3

    def _fate(self, trial: int, rung: int) -> Fate:
        return Fate.WAITS if rung == 0 else Fate.GOES_ON

    def hopeless(self, to_come: int) -> list[int]:
        """See `Scheduler`: those that are not among the best few already."""
        return self._beyond(0, self.FINISHED)

    def _chosen(self, more: bool, last: bool) -> int | None:
        best = () if more else self._ranked[0][: self.FINISHED]
        return next((trial for _, _, trial in best if self.waiting.get(trial) == 0), None)


SCHEDULERS: dict[str, type[Scheduler]] = {
    "asha": Promotion,
    "asha-stopping": ASHA,
    "hyperband": Hyperband,
    "iepoch": IEpoch,
    "none": Scheduler,
}
