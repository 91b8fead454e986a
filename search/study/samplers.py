"""Optuna's samplers, adapted to a search that pauses and stops trials early."""

import math
import warnings
from collections.abc import Callable, Container, Sequence
from typing import Any, NamedTuple

import optuna
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, QMCSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.study.names import trial_seed

# Before a model has any use: the trials that a search takes from its sampler to begin with.
STARTUP_TRIALS = 10
# What TPE is shown of a study that has more: its time is then that of so many.
SHOWN_TRIALS = 100
SHOWN_BEST = 40

_LEARNT = (TrialState.COMPLETE, TrialState.PRUNED)


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
    """Return a trial of the same number and parameters; of the rest it has what is `kept`."""
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


class PausedTPESampler(TPESampler):
    """TPE that learns also from trials `paused` at the moment, which are RUNNING in the study and so count as bad.

    It learns from the trials of `prior`, of earlier runs, too.
    """

    def __init__(self, paused: Container[int], prior: Sequence[FrozenTrial] = (), **options: Any) -> None:
        super().__init__(**options)
        self._paused, self._prior = paused, prior
        self._drawn: set[int] = set()  # numbers of the trials drawn in this session
        self._shown: _ShownStudy | None = None

    def infer_relative_search_space(self, study: Any, trial: FrozenTrial) -> Any:
        """See TPESampler."""
        self._shown = None  # a new trial
        return super().infer_relative_search_space(self._show(study, trial), trial)

    def sample_relative(self, study: Any, trial: FrozenTrial, search_space: Any) -> dict[str, Any]:
        """See TPESampler."""
        self._drawn.add(trial.number)
        return super().sample_relative(self._show(study, trial), trial, search_space)

    def sample_independent(self, study: Any, trial: FrozenTrial, param_name: str, param_distribution: Any) -> Any:
        """See TPESampler."""
        return super().sample_independent(self._show(study, trial), trial, param_name, param_distribution)

    def _show(self, study: optuna.Study, trial: FrozenTrial) -> Any:
        """Return what is shown of the study while this trial is drawn, the same for all of its parameters.

        TPE notes in a trial also what it drew for parameters of kinds that the trial did not get. A journal that is
        made anew from the log lacks these notes, so those of earlier sessions are not shown.
        """
        if self._shown is None or self._shown.number != trial.number:
            shown = shown_to_tpe(study, self._paused, self._prior)
            for index, one in enumerate(shown):
                if one.state == TrialState.RUNNING and one.number not in self._drawn:
                    shown[index] = _with_parameters(one, TrialState.RUNNING)
            self._shown = _ShownStudy(study, shown, trial.number)
        return self._shown


class Needs(NamedTuple):
    """The search that a sampler is made for."""

    seed: int
    fresh: int  # another seed for each session of the search, because the random state ends with its process
    startup: int  # trials drawn at random before a model is of use
    paused: Container[int]  # numbers of the paused trials, at every moment
    prior: Sequence[FrozenTrial]  # trials of earlier runs


def _tpe(needs: Needs) -> BaseSampler:
    # group: the parameters of each kind are modelled together, where by default only those common to all would be.
    options = {"group": True, "multivariate": True, "n_startup_trials": needs.startup}
    return PausedTPESampler(needs.paused, needs.prior, seed=needs.fresh, **options)


def _qmc(needs: Needs) -> BaseSampler:
    # It finds its place in the sequence, which the seed fixes, in the study; the other draws what it cannot.
    independent = RandomSampler(seed=needs.fresh)
    return QMCSampler(seed=needs.seed, scramble=True, independent_sampler=independent, warn_independent_sampling=False)


def _nsga2(needs: Needs) -> BaseSampler:
    # Optuna's 50 are for thousands of trials; a search has tens, and a generation should be over while it runs.
    return NSGAIISampler(seed=needs.fresh, population_size=needs.startup)


SAMPLERS: dict[str, Callable[[Needs], BaseSampler]] = {
    "tpe": _tpe,
    "gp": lambda needs: GPSampler(seed=needs.fresh, n_startup_trials=needs.startup),
    "random": lambda needs: RandomSampler(seed=needs.fresh),
    "qmc": _qmc,
    "nsga2": _nsga2,
}


def make_sampler(
    kind: str, seed: int, asked: int, slots: int, paused: Container[int], prior: Sequence[FrozenTrial] = ()
) -> BaseSampler:
    """Return a sampler of a search; `kind` is a name of `SAMPLERS`, `asked` trials were drawn before.

    Of all samplers only TPE learns from `prior`, the trials of earlier runs.
    """
    # Without `asked` in it, a resumed search would draw the first trials of the search once more.
    needs = Needs(seed, trial_seed(seed, asked), max(STARTUP_TRIALS, 2 * slots), paused, prior)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return SAMPLERS[kind](needs)
