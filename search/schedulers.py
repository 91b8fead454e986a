"""Early stopping over images seen: asynchronous successive halving (ASHA), its rungs a function of the reports alone.

Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning", in its stopping form: a trial that reaches a
rung goes on if it is among the best 1/eta of the trials that have reached it so far, the first one always.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

if TYPE_CHECKING:
    from ray.tune.execution.tune_controller import TuneController
    from ray.tune.experiment import Trial

Report = dict[str, Any]


class Halving:
    """The rungs: which trials were at each, with which FMD, and who of them goes on.

    It has no state besides the reports it was given, so a search that is resumed rebuilds it by giving it the log.
    """

    def __init__(self, rungs: tuple[int, ...], eta: int | None) -> None:
        """Start empty; `rungs` in images seen, ascending, the last the full budget; without `eta` nobody is stopped."""
        self.full, self.eta = rungs[-1], eta
        self._values: dict[int, dict[str, float]] = {rung: {} for rung in rungs}

    def next_rung(self, images_seen: int) -> int:
        """Return the first rung after `images_seen`."""
        return min(rung for rung in self._values if rung > images_seen)

    def goes_on(self, trial: str, report: Report) -> bool:
        """Enter a report at its rung and return whether the trial goes on.

        A report repeated after a restart changes nothing: the trial went on the first time. A diverged trial stops, and
        enters as the worst, because the value of a blank set is better than the first steps of many a good model.
        """
        rung = self._values[report["images_seen"]]
        repeated = trial in rung
        rung.setdefault(trial, math.inf if report["diverged"] else report["fmd"])
        if report["diverged"] or report["images_seen"] >= self.full:
            return False
        better = sum(value < rung[trial] for value in rung.values())
        return self.eta is None or repeated or better < max(1, len(rung) // self.eta)


class ASHA(FIFOScheduler):
    """Tells Ray Tune what `Halving` decides; trials start in the order in which the searcher suggests them."""

    def __init__(self, halving: Halving, has_time: Callable[[float], bool]) -> None:
        """Decide by `halving`, which may hold the reports of an interrupted search, while there is time.

        `has_time` says whether so many seconds are left: a trial that could not reach its next rung in time stops where
        it is, so that a search of slow networks ends too.
        """
        super().__init__()
        self._halving, self._has_time = halving, has_time

    def __getstate__(self) -> dict[str, Any]:
        """Ray Tune pickles its scheduler for a restore that never comes."""
        return {}

    def on_trial_result(self, tune_controller: TuneController, trial: Trial, result: Report) -> str:
        """Return STOP for a trial that should not go on, else CONTINUE."""
        goes_on = self._halving.goes_on(trial.config["trial"], result)
        if goes_on:
            images = self._halving.next_rung(result["images_seen"]) - result["images_seen"]
            goes_on = self._has_time(images / result["images_per_second"])
        return str(TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP)
