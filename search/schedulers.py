"""Early stopping over images seen: who goes on at a rung, who waits there, who stops, by the reports alone.

| scheduler | at a rung | paper |
| --- | --- | --- |
| promotion | all wait; the best 1/eta of those that came go on, at once or later | Li et al. 2020, algorithm 2 |
| asha | the best 1/eta of those that came so far go on, the others stop | Li et al. 2020, as Ray Tune's ASHA |
| hyperband | as asha, but some trials are first compared at a later rung, some never | Li et al. 2018 |
| iepoch | at the first rung all wait; when all have come the best few go on to the end | Egele et al. 2023 |
| none | all go on | |

A scheduler has no state but the reports it was given and what it had go on again, so a search that is resumed rebuilds
it by giving it the log. It knows neither Ray nor Optuna; search/simulator.py runs it on recorded curves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from typing import Any

Report = Mapping[str, Any]


class Fate(Enum):
    """What becomes of a trial at a rung."""

    GOES_ON = "goes on"
    WAITS = "waits"
    STOPS = "stops"


class Scheduler:
    """Lets all trials go on to the full budget; the base of those that do not."""

    def __init__(self, rungs: tuple[int, ...], eta: int) -> None:
        """Start empty; `rungs` in images seen, ascending, the last the full budget; `eta` is the reduction factor."""
        self.rungs, self.eta = rungs, eta
        self.waiting: dict[int, int] = {}
        """Trials that wait, by number, and the index of the rung at which they do"""
        self._values: tuple[dict[int, float], ...] = tuple({} for _ in rungs)
        self._ended = set[int]()

    def next_rung(self, images_seen: int) -> int:
        """Return the first rung after `images_seen`."""
        return min(rung for rung in self.rungs if rung > images_seen)

    def heard_of(self, trial: int) -> bool:
        """Return whether a trial has reported."""
        return trial in self._values[0]

    def withdraw(self, trial: int) -> None:
        """Take in that a trial has ended, for whatever reason: it holds no place any more of those that may go on."""
        self.waiting.pop(trial, None)
        self._ended.add(trial)

    def enter(self, trial: int, report: Report) -> Fate:
        """Take in a trial's report at its rung, and return whether it goes on.

        A report repeated after a restart changes nothing: the trial went on the first time. A diverged trial stops, and
        enters as the worst, because the value of a blank set is better than the first steps of many a good model.
        """
        rung = self.rungs.index(report["images_seen"])
        repeated = trial in self._values[rung]
        self._values[rung].setdefault(trial, math.inf if report["diverged"] else report["fmd"])
        self.waiting.pop(trial, None)
        if report["diverged"] or rung == len(self.rungs) - 1:
            return Fate.STOPS
        fate = Fate.GOES_ON if repeated else self._fate(trial, rung)
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

    def _fate(self, trial: int, rung: int) -> Fate:
        return Fate.GOES_ON

    def _chosen(self, more: bool, last: bool) -> int | None:
        return None

    def _best(self, rung: int, count: int) -> list[int]:
        """Return the best `count` trials at a rung that went on or still may; of equal ones the first that came."""
        values, above = self._values[rung], self._values[rung + 1]
        return sorted((n for n in values if n in above or n not in self._ended), key=values.__getitem__)[:count]


class ASHA(Scheduler):
    """Stops a trial that is not among the best 1/eta of those that reached its rung so far, the first one never."""

    def _fate(self, trial: int, rung: int) -> Fate:
        return self._compared(trial, self._values[rung])

    def _compared(self, trial: int, values: Mapping[int, float]) -> Fate:
        better = sum(value < values[trial] for value in values.values())
        return Fate.GOES_ON if better < max(1, len(values) // self.eta) else Fate.STOPS


class Hyperband(ASHA):
    """ASHA in brackets: trials of bracket s are first compared at rung s, and only with those of their bracket.

    The brackets share out the trials as Hyperband does, ceil((S + 1) / (s + 1) eta^s) for S + 1 rungs, in a fixed
    order, so that a trial's number tells its bracket. A safeguard where early rungs mislead, at a price that
    tests/benchmarks/schedulers.py measures.
    """

    def __init__(self, rungs: tuple[int, ...], eta: int) -> None:
        """Start empty, see `Scheduler`."""
        super().__init__(rungs, eta)
        count = len(rungs)
        sizes = [math.ceil(count / (s + 1) * eta**s) for s in range(count)]
        spread = sorted((((i + 0.5) / size, -size), count - 1 - s) for s, size in enumerate(sizes) for i in range(size))
        self._brackets = [bracket for _, bracket in spread]

    def bracket(self, trial: int) -> int:
        """Return the index of the rung at which a trial is first compared; that of the last is never."""
        return self._brackets[trial % len(self._brackets)]

    def _fate(self, trial: int, rung: int) -> Fate:
        mine = self.bracket(trial)
        if rung < mine:
            return Fate.GOES_ON
        return self._compared(trial, {n: v for n, v in self._values[rung].items() if self.bracket(n) == mine})


class Promotion(Scheduler):
    """Has every trial wait at its rung, and the best 1/eta of each rung go on, the higher rung first.

    What ASHA stops by comparing it with few, this compares with all that came until the end; a checkpoint a trial is
    the price. When nothing else is left to do, the best of a rung goes on even if that is more than 1/eta.
    """

    def _fate(self, trial: int, rung: int) -> Fate:
        # Were it made to wait, it would be the next to go on: this spares it the way through its checkpoint.
        return Fate.GOES_ON if trial in self._best(rung, self._share(rung)) else Fate.WAITS

    def _chosen(self, more: bool, last: bool) -> int | None:
        for rung in reversed(range(len(self.rungs) - 1)):
            share = max(1, self._share(rung)) if last else self._share(rung)
            for trial in self._best(rung, share):
                if self.waiting.get(trial) == rung:
                    return trial
        return None

    def _share(self, rung: int) -> int:
        return len(self._values[rung]) // self.eta


class IEpoch(Scheduler):
    """Has every trial wait at the first rung, and then the best few go on to the full budget.

    "Is One Epoch All You Need For Multi-Fidelity Hyperparameter Optimization?": the strongest cheap baseline known.
    """

    # As many as a run keeps checkpoints of and has confirmed.
    FINISHED = 3

    def _fate(self, trial: int, rung: int) -> Fate:
        return Fate.WAITS if rung == 0 else Fate.GOES_ON

    def _chosen(self, more: bool, last: bool) -> int | None:
        if more:
            return None
        return next((trial for trial in self._best(0, self.FINISHED) if self.waiting.get(trial) == 0), None)


SCHEDULERS: dict[str, type[Scheduler]] = {
    "promotion": Promotion,
    "asha": ASHA,
    "hyperband": Hyperband,
    "iepoch": IEpoch,
    "none": Scheduler,
}
