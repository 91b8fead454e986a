"""What runs next: the literature's configurations, the space's starting points, then what Optuna suggests.

Ray's OptunaSearch is the base; it tells Optuna that a trial which was stopped early is COMPLETE with its early value,
which mixes budgets. Here it is PRUNED with its value at each rung, and a trial is COMPLETE at the full budget only. One
that waits at a rung is RUNNING, because a study cannot take up again what has ended.
"""

from __future__ import annotations

import json
import warnings
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from search.schedulers import Scheduler
from search.settings import Settings
from search.space.space import Space
from search.study.journal import OUTSIDE, State, open_storage, state_at, tell_end, tell_report, trial_name, trial_seed
from search.study.samplers import make_sampler
from search.study.tries import Tries
from trainables.config import Flat
from trainables.domain import ConfigError


class StudySearch(OptunaSearch):
    """Suggests the trials of one run from its study, which is all the state there is: Tune's snapshots hold nothing."""

    def __init__(
        self, settings: Settings, space: Space, journal: Path, out_of_time: Callable[[], bool], scheduler: Scheduler
    ) -> None:
        """Open or continue the study at `journal`; once `out_of_time` says so, no new trial is suggested.

        `scheduler` says which of the trials that wait at their rungs go on.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.settings, self.space, self._out_of_time, self._scheduler = settings, space, out_of_time, scheduler
        self._searched = space.names
        self._again: deque[int] = deque()
        self.tries = Tries()
        self.on_release: Callable[[str], None] = lambda name: None
        """Told the name of each trial that waited in vain, before the study is"""
        named: dict[str, Any] = {"study_name": settings.name, "storage": open_storage(journal)}
        modes = ["min" for _ in settings.objectives]
        directions = [StudyDirection.MINIMIZE for _ in settings.objectives]
        self._asked = _asked(optuna.create_study(**named, directions=directions, load_if_exists=True))
        sampler = make_sampler(settings.sampler, settings.seed, self._asked, settings.slots, scheduler.waiting)
        super().__init__(space=space.draw, metric=list(settings.objectives), mode=modes, sampler=sampler, **named)
        self.study = cast("optuna.Study", self._ot_study)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self.study.set_metric_names(list(settings.objectives))
        self._enqueue()

    def run_again(self, number: int) -> None:
        """Suggest an interrupted trial before any new one, as it was."""
        self._again.append(number)

    def hold(self, number: int, reports: list[dict[str, Any]]) -> None:
        """Take in the reports of a trial that waited at its rung when the search was interrupted, and waits on."""
        for report in reports:
            tell_report(self.trial(number), report)

    def forget(self, number: int) -> None:
        """Let no trial wait of which the search knows that it has ended."""
        if self._frozen(number).state.is_finished():
            self._scheduler.withdraw(number)

    def release(self) -> None:
        """Close the trials that wait, when nothing is left to do."""
        self._release(sorted(self._scheduler.waiting))

    def interrupted(self) -> int:
        """Return how many interrupted trials are still to be suggested again."""
        return len(self._again)

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """Return the configuration of the next trial, None while one that runs may have to run again, or FINISHED."""
        while (trial := self._next()) is not None:
            try:
                config = self._config(trial)
            except ConfigError:  # too rare a combination for the check of the space to have met it
                self._tell_end(trial, "FAIL", None)
                continue
            self._ot_trials[trial_id] = trial
            return config
        if self._ot_trials:
            return None
        return Searcher.FINISHED  # type: ignore[return-value]  # as Ray has it

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Take in a report of a trial that goes on."""
        tell_report(self._ot_trials[trial_id], result)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Take in the end of a trial, and its last report, which `on_trial_result` did not get if it was stopped.

        One that failed runs again while it has tries; one that waits at its rung has not ended.
        """
        trial = self._ot_trials.pop(trial_id)
        if error and self.tries.fails(trial.number):
            self.run_again(trial.number)
            return
        report = result if result and "images_seen" in result else None
        if report is not None:
            tell_report(trial, report)
        if trial.number not in self._scheduler.waiting:
            self._tell_end(trial, "FAIL" if error else state_at(report, self.settings.rungs[-1]), report)

    def trial(self, number: int) -> optuna.Trial:
        """Return the study's trial of this number."""
        return optuna.Trial(self.study, self._frozen(number)._trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the study's journal has it."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing: `resume` starts a new Tuner on the study's journal."""

    def __getstate__(self) -> dict[str, Any]:
        """Ray Tune pickles its searcher for a restore that never comes."""
        return {}

    def _next(self) -> optuna.Trial | None:
        asks = self._asked < self.settings.trials and not self._out_of_time()
        begun = [*(trial.number for trial in self._ot_trials.values()), *self._again]
        to_come = sum(not self._scheduler.heard_of(number) for number in begun)
        to_come += self.settings.trials - self._asked if asks else 0
        self._release(self._scheduler.hopeless(to_come))
        if self._again:
            return self.trial(self._again.popleft())
        waited = self._scheduler.resume(more=to_come > 0, idle=not self._ot_trials)
        if waited is not None:
            return self.trial(waited)
        self._asked += asks
        return self.study.ask() if asks else None

    def _release(self, numbers: list[int]) -> None:
        for number in numbers:
            self.on_release(self._frozen(number).user_attrs["trial"])
            self._tell_end(self.trial(number), "PRUNED", None)

    def _frozen(self, number: int) -> FrozenTrial:
        storage = self.study._storage
        return storage.get_trial(storage.get_trial_id_from_study_id_trial_number(self.study._study_id, number))

    def _tell_end(self, trial: optuna.Trial, state: State, last: dict[str, Any] | None) -> None:
        self._scheduler.withdraw(trial.number)
        tell_end(trial, state, last, self.settings.objectives)

    def _enqueue(self) -> None:
        """Queue baselines and starting points, the study's first trials; what is queued already is left out."""
        for baseline, values in self.space.queue()[len(self.study.get_trials(deepcopy=False)) :]:
            answers = self.space.answers_for(values) or {} if baseline else values
            self.study.enqueue_trial(answers, user_attrs={"baseline": baseline})

    def _config(self, trial: optuna.Trial) -> dict[str, Any]:
        baseline = trial.user_attrs.get("baseline", "")
        variant = self._variant(trial, baseline)
        config = {
            "trial": trial_name(trial.number, baseline, variant, self._searched),
            "number": trial.number,
            "seed": trial_seed(self.settings.seed, trial.number),
            "baseline": baseline,
        }
        if "variant" not in trial.user_attrs:
            for name, value in {**config, "variant": json.dumps(variant)}.items():
                trial.set_user_attr(name, value)
        return {**config, "variant": variant}

    def _variant(self, trial: optuna.Trial, baseline: str) -> Flat:
        """Return a trial's variant: as it was before, as the literature has it, or as the space draws it.

        A baseline that the space can express has its answers enqueued; drawing it makes them the trial's parameters.
        One that it cannot express has no parameters, and is marked infeasible, so that it does not take the place of a
        trial with parameters among the best, which TPE learns from.
        """
        if "variant" in trial.user_attrs:
            return dict(json.loads(trial.user_attrs["variant"]))
        if not baseline:
            return self.space.draw(trial)
        variant = next(entry.variant for entry in self.space.baselines if entry.name == baseline)
        if self.space.answers_for(variant) is not None:
            return self.space.draw(trial)
        if OUTSIDE not in trial.constraints:
            trial.set_constraint(OUTSIDE, 1.0)
        return variant


def _asked(study: optuna.Study) -> int:
    return sum(trial.state != TrialState.WAITING for trial in study.get_trials(deepcopy=False))
