"""Tells Ray Tune what a scheduler decides, on the way from a trial's report to its process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from search.progress.failures import left_its_machine
from search.schedulers import Fate, Scheduler
from search.study.tries import Tries

if TYPE_CHECKING:
    from ray.tune.execution.tune_controller import TuneController
    from ray.tune.experiment import Trial


class Stopping(FIFOScheduler):
    """Ray Tune's scheduler of one run; trials start in the order in which the searcher suggests them.

    Ray Tune stops a trial that waits, too, which frees its process; the searcher suggests it again once it goes on, and
    it continues from its checkpoint. Tune's own pause would hold on to its state.
    """

    def __init__(self, scheduler: Scheduler, has_time: Callable[[float], bool], tries: Tries) -> None:
        """Decide by `scheduler`, which may hold the reports of an interrupted search, while there is time.

        `has_time` says whether so many seconds are left: a trial that could not reach its next rung in time stops where
        it is, so that a search of slow networks ends too. `tries` are those by which the searcher has trials run again.
        """
        super().__init__()
        self._scheduler, self._has_time, self._tries = scheduler, has_time, tries

    def __getstate__(self) -> dict[str, Any]:
        """Ray Tune pickles its scheduler for a restore that never comes."""
        return {}

    def on_trial_result(self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]) -> str:
        """Return STOP for a trial that waits or ends, else CONTINUE."""
        goes_on = self._scheduler.enter(trial.config["number"], result) is Fate.GOES_ON
        if goes_on:
            images = self._scheduler.next_rung(result["images_seen"]) - result["images_seen"]
            goes_on = self._has_time(images / result["images_per_second"])
            if not goes_on:
                self._scheduler.withdraw(trial.config["number"])
        return str(TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP)

    def on_trial_error(self, tune_controller: TuneController, trial: Trial) -> None:
        """Give a trial whose machine is about to be taken back a try more, before the searcher counts the failure."""
        if left_its_machine(Path(str(trial.error_file)).read_text()):
            self._tries.forgive(trial.config["number"])
