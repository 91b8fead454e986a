"""Optuna's samplers, adapted to a search that pauses and stops trials early."""

import math
import warnings
from collections.abc import Callable, Container, Sequence
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import optuna
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, QMCSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

# Trials that a sampler draws at random before it fits a model.
STARTUP_TRIALS = 10
# How many trials TPE sees at most, because the time of a draw grows with them, and how many of those are the best.
SHOWN_TRIALS = 100
SHOWN_BEST = 40

_LEARNT = (TrialState.COMPLETE, TrialState.PRUNED)


def trial_seed(seed: int, number: int, *part: int) -> int:
    """Return the seed of a search's trial `number`, or of a part of it: 32 bits, unrelated to all others."""
    return int(np.random.SeedSequence((seed, number, *part)).generate_state(1)[0])


def shown_to_tpe(study: optuna.Study, paused: Container[int], prior: Sequence[FrozenTrial] = ()) -> list[FrozenTrial]:
    """Return the trials that TPE is shown: at most `SHOWN_TRIALS` to learn from, and those that run.

    The trials of earlier runs, in `prior`, count as the oldest.

    TPE sorts all trials and builds its densities of them for each group of parameters: 0.7 s a suggestion with 3,000
    trials, 0.03 s with 100. Its better density is made of the best tenth, 25 at most, and in the other one a trial's
    weight falls with its age, so the best trials and the latest tell nearly all (tests/benchmarks/bounded.py). A paused
    trial, which is RUNNING in the study, is returned as PRUNED.
    """
    trials = study.get_trials(deepcopy=False)
    learnt = [*prior, *(trial for trial in trials if trial.state in _LEARNT or trial.number in paused)]
    running = [trial for trial in trials if trial.state == TrialState.RUNNING and trial.number not in paused]
    if len(learnt) > SHOWN_TRIALS:
        best = sorted(learnt, key=_order) if len(study.directions) == 1 else _front(learnt)
        chosen = {trial.number for trial in best[:SHOWN_BEST]}
        chosen |= {trial.number for trial in learnt[-(SHOWN_TRIALS - len(chosen)) :]}
        learnt = [trial for trial in learnt if trial.number in chosen]
    return [*(trial if trial.state in _LEARNT else _as_pruned(trial) for trial in learnt), *running]


def _order(trial: FrozenTrial) -> tuple[bool, int, float, int]:
    """Return what TPE ranks trials by: infeasible ones last, then the larger budget first, then the value."""
    last = trial.last_step
    if last is None:
        return True, 0, math.inf, trial.number
    infeasible = any(value > 0 for value in trial.constraints.values())
    return infeasible, -last, trial.intermediate_values[last], trial.number


def _front(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials on the Pareto front of two objectives, by the first; infeasible ones are none."""
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    feasible = [trial for trial in complete if all(value <= 0 for value in trial.constraints.values())]
    front: list[FrozenTrial] = []
    for trial in sorted(feasible, key=lambda trial: trial.values):
        if not front or trial.values[1] < front[-1].values[1] or trial.values == front[-1].values:
            front.append(trial)
    return front


def _as_pruned(trial: FrozenTrial) -> FrozenTrial:
    kept = {"intermediate_values": trial.intermediate_values, "system_attrs": trial.system_attrs}
    return _with_parameters(trial, TrialState.PRUNED, **kept)


def _with_parameters(trial: FrozenTrial, state: TrialState, **kept: Any) -> FrozenTrial:
    """Return a new trial with the number and the parameters of `trial`; `kept` are its other fields."""
    made = create_trial(state=state, params=trial.params, distributions=trial.distributions, **kept)
    made.number = trial.number
    return made


class _ShownStudy:
    """A study with no trials but those that are shown.

    Optuna has no public way to show a sampler a part of a study. This overrides the private method by which samplers
    read trials, as Optuna's own Hyperband pruner does; it is the only place that does so.
    """

    def __init__(self, study: optuna.Study, trials: list[FrozenTrial], number: int) -> None:
        self._study, self._trials, self.number = study, trials, number

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        return [trial for trial in self._trials if states is None or trial.state in states]


class View:
    """What TPE is shown of a study: the same for all parameters of a trial, whatever happens while it is drawn."""

    def __init__(self, paused: Container[int], prior: Sequence[FrozenTrial] = ()) -> None:
        """Show also the trials `paused` at the moment, and those of `prior`, of earlier runs."""
        self._paused, self._prior = paused, prior
        self._shown: _ShownStudy | None = None

    def of(self, study: optuna.Study, trial: FrozenTrial, anew: bool = False) -> Any:
        """Return what is shown while this trial is drawn; with `anew` its drawing begins.

        TPE notes in a trial also what it drew for parameters of kinds that the trial did not get. A journal that is
        made anew from the log lacks these notes, so they are not shown.
        """
        if anew or self._shown is None or self._shown.number != trial.number:
            shown = shown_to_tpe(study, self._paused, self._prior)
            for index, one in enumerate(shown):
                if one.state == TrialState.RUNNING:
                    shown[index] = _with_parameters(one, TrialState.RUNNING)
            self._shown = _ShownStudy(study, shown, trial.number)
        return self._shown


class PausedTPESampler(TPESampler):
    """TPE that also learns from earlier runs, and from paused trials, which the study has as RUNNING and TPE as bad."""

    def __init__(self, view: View, **options: Any) -> None:
        super().__init__(**options)
        self._view = view

    def infer_relative_search_space(self, study: Any, trial: FrozenTrial) -> Any:
        """See TPESampler."""
        return super().infer_relative_search_space(self._view.of(study, trial, anew=True), trial)

    def sample_relative(self, study: Any, trial: FrozenTrial, search_space: Any) -> dict[str, Any]:
        """See TPESampler."""
        return super().sample_relative(self._view.of(study, trial), trial, search_space)

    def sample_independent(self, study: Any, trial: FrozenTrial, param_name: str, param_distribution: Any) -> Any:
        """See TPESampler."""
        return super().sample_independent(self._view.of(study, trial), trial, param_name, param_distribution)


class NumberedQMCSampler(QMCSampler):
    """QMC sampling in which trial n has point n of the sequence.

    Optuna counts the points that were asked for in the study, so that a search that was killed between the question and
    the trial would go on with the next point. It has no public way to choose the point, so this overrides the private
    method that counts.
    """

    _number = 0

    def sample_relative(self, study: Any, trial: FrozenTrial, search_space: Any) -> dict[str, Any]:
        """See QMCSampler."""
        self._number = trial.number
        return super().sample_relative(study, trial, search_space)

    def _find_sample_id(self, study: Any, search_space: Any) -> int:
        return self._number


class NumberedSampler(BaseSampler):
    """A sampler whose draws of a trial are a function of its number and of the study; nothing of earlier draws counts.

    So a search that was killed draws what it would have drawn. That holds in the middle of a trial, too: parameters
    that are drawn one by one have a random state each.
    """

    def __init__(self, make: Callable[[int], BaseSampler], seed: int) -> None:
        """Draw by the samplers that `make` returns for a seed; `seed` is that of the search."""
        self._make, self._seed = make, seed
        self._number: int | None = None
        self._of_trial: BaseSampler = make(seed)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, Any]:
        """See BaseSampler."""
        return self._for(trial).infer_relative_search_space(study, trial)

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: Any) -> dict[str, Any]:
        """See BaseSampler."""
        return self._for(trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        """See BaseSampler."""
        of_parameter = self._make(trial_seed(self._seed, trial.number, crc32(param_name.encode())))
        return of_parameter.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """See BaseSampler."""
        self._for(trial).before_trial(study, trial)

    def after_trial(self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Any) -> None:
        """See BaseSampler."""
        self._for(trial).after_trial(study, trial, state, values)

    def _for(self, trial: FrozenTrial) -> BaseSampler:
        if trial.number != self._number:
            self._number, self._of_trial = trial.number, self._make(trial_seed(self._seed, trial.number))
        return self._of_trial


class Needs(NamedTuple):
    """The search that a sampler is made for."""

    seed: int
    startup: int  # trials drawn at random before a model is fitted
    view: View  # what TPE is shown


SAMPLERS: dict[str, Callable[[Needs, int], BaseSampler]] = {
    # group: the parameters of each kind are modelled together, where by default only those common to all would be.
    "tpe": lambda needs, seed: PausedTPESampler(
        needs.view, seed=seed, group=True, multivariate=True, n_startup_trials=needs.startup
    ),
    # It draws the parameters that not every trial has at random, and would say so of each.
    "gp": lambda needs, seed: GPSampler(seed=seed, n_startup_trials=needs.startup, warn_independent_sampling=False),
    "random": lambda needs, seed: RandomSampler(seed=seed),
    # The search's seed fixes the sequence; the other sampler draws what is not in it.
    "qmc": lambda needs, seed: NumberedQMCSampler(
        seed=needs.seed, scramble=True, independent_sampler=RandomSampler(seed=seed), warn_independent_sampling=False
    ),
    # Optuna's 50 are for thousands of trials; a search has tens, and a generation should be over while it runs.
    "nsga2": lambda needs, seed: NSGAIISampler(seed=seed, population_size=needs.startup),
}


def make_sampler(
    kind: str, seed: int, slots: int, paused: Container[int], prior: Sequence[FrozenTrial] = ()
) -> BaseSampler:
    """Return the sampler of a search of this seed; `kind` is a name of `SAMPLERS`.

    Of all samplers only TPE learns from `prior`, the trials of earlier runs.
    """
    needs = Needs(seed, max(STARTUP_TRIALS, 2 * slots), View(paused, prior))

    def make(of_draw: int) -> BaseSampler:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return SAMPLERS[kind](needs, of_draw)

    return NumberedSampler(make, seed)
