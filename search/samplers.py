"""What suggests the variants: Optuna's samplers, and what they need to know of a search that stops trials early."""

from __future__ import annotations

import heapq
import math
import warnings
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, QMCSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from search.study import trial_seed

# Before a model has any use: the trials that a search takes from its sampler to begin with.
STARTUP_TRIALS = 10
# What TPE is shown of a study that has more: its time is then that of so many.
SHOWN_TRIALS = 500
SHOWN_BEST = 100

_LEARNT = (TrialState.COMPLETE, TrialState.PRUNED)
_Order = tuple[bool, int, float]


class _Shown:
    """A study as TPE is shown it while it draws one trial: of bounded size, and what waits at a rung is PRUNED there.

    TPE sorts all trials and builds its densities of them for each group of parameters: 10,000 take seconds. Its better
    density is of the best 25 at most, and in the other one a trial's weight falls with its age, so that the best few
    and the latest tell it almost all (tests/benchmarks/bounded.py).
    """

    def __init__(self, study: optuna.Study, waiting: Container[int], known: dict[int, _Order], number: int) -> None:
        """Look at the study once, to draw trial `number`; `known` keeps the order of trials that have ended."""
        self._study, self.number = study, number
        ended, running = [], []
        for trial in study.get_trials(deepcopy=False):
            if trial.number in waiting:
                ended.append(_as_pruned(trial))
            elif trial.state == TrialState.RUNNING:
                running.append(trial)
            elif trial.state in _LEARNT:
                ended.append(trial)
        self._trials = [*_telling(study, ended, known), *running]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        return [trial for trial in self._trials if states is None or trial.state in states]


def _as_pruned(trial: FrozenTrial) -> FrozenTrial:
    seen = FrozenTrial.__new__(FrozenTrial)
    seen.__dict__.update(trial.__dict__, state=TrialState.PRUNED)
    return seen


def _telling(study: optuna.Study, ended: list[FrozenTrial], known: dict[int, _Order]) -> list[FrozenTrial]:
    """Return at most `SHOWN_TRIALS` of those that ended, by number: the best, and of the others the latest."""
    if len(ended) <= SHOWN_TRIALS:
        return ended
    if len(study.directions) > 1:
        front = {trial.number for trial in study.best_trials}
        best = [trial for trial in ended if trial.number in front][-SHOWN_BEST:]
    else:
        best = heapq.nsmallest(SHOWN_BEST, ended, key=lambda trial: _order(trial, known))
    chosen = {trial.number: trial for trial in (*best, *ended[SHOWN_BEST - SHOWN_TRIALS :])}
    return [chosen[number] for number in sorted(chosen)]


def _order(trial: FrozenTrial, known: dict[int, _Order]) -> _Order:
    """Return what TPE orders trials by: those that diverged last, then the larger budget first, then by value."""
    order = known.get(trial.number)
    if order is None:
        last = trial.last_step
        infeasible = any(value > 0 for value in trial.constraints.values())
        order = (True, 0, math.inf) if last is None else (infeasible, -last, trial.intermediate_values[last])
        if trial.datetime_complete is not None:
            known[trial.number] = order
    return order


class WaitingTPESampler(TPESampler):
    """TPE that learns from trials that wait, which for Optuna are running and so no better than bad."""

    def __init__(self, waiting: Container[int], **options: Any) -> None:
        """`waiting` holds the numbers of the trials that wait, at every moment; `options` are TPESampler's."""
        super().__init__(**options)
        self._waiting = waiting
        self._shown: _Shown | None = None
        self._known: dict[int, _Order] = {}

    def infer_relative_search_space(self, study: Any, trial: FrozenTrial) -> Any:
        """See TPESampler."""
        self._shown = None  # a new trial
        return super().infer_relative_search_space(self._view(study, trial), trial)

    def sample_relative(self, study: Any, trial: FrozenTrial, search_space: Any) -> dict[str, Any]:
        """See TPESampler."""
        return super().sample_relative(self._view(study, trial), trial, search_space)

    def sample_independent(self, study: Any, trial: FrozenTrial, param_name: str, param_distribution: Any) -> Any:
        """See TPESampler."""
        return super().sample_independent(self._view(study, trial), trial, param_name, param_distribution)

    def _view(self, study: optuna.Study, trial: FrozenTrial) -> Any:
        """Return what is shown of the study while this trial is drawn, however many parameters it has."""
        if self._shown is None or self._shown.number != trial.number:
            self._shown = _Shown(study, self._waiting, self._known, trial.number)
        return self._shown


@dataclass(frozen=True)
class Asked:
    """What a sampler is made for."""

    seed: int
    """Of the search"""
    fresh: int
    """Another for each session of the search: the random state is gone with its process"""
    slots: int
    """Trials that run at a time"""
    waiting: Container[int]
    """Numbers of the trials that wait at a rung, at every moment"""

    @property
    def startup(self) -> int:
        """Trials drawn at random before a model is of use."""
        return max(STARTUP_TRIALS, 2 * self.slots)


def _tpe(asked: Asked) -> BaseSampler:
    # group: the parameters of each kind are modelled together, where by default only those common to all would be.
    options = {"group": True, "multivariate": True, "n_startup_trials": asked.startup}
    return WaitingTPESampler(asked.waiting, seed=asked.fresh, **options)


def _qmc(asked: Asked) -> BaseSampler:
    # It finds its place in the sequence, which the seed fixes, in the study; the other draws what it cannot.
    independent = RandomSampler(seed=asked.fresh)
    return QMCSampler(seed=asked.seed, scramble=True, independent_sampler=independent, warn_independent_sampling=False)


def _nsga2(asked: Asked) -> BaseSampler:
    # Optuna's 50 are for thousands of trials; a search has tens, and a generation should be over while it runs.
    return NSGAIISampler(seed=asked.fresh, population_size=asked.startup)


SAMPLERS: dict[str, Callable[[Asked], BaseSampler]] = {
    "tpe": _tpe,
    "gp": lambda asked: GPSampler(seed=asked.fresh, n_startup_trials=asked.startup),
    "random": lambda asked: RandomSampler(seed=asked.fresh),
    "qmc": _qmc,
    "nsga2": _nsga2,
}


def make_sampler(kind: str, seed: int, asked: int, slots: int, waiting: Container[int]) -> BaseSampler:
    """Return a sampler of a search; `kind` is a name of `SAMPLERS`, `asked` trials were drawn before."""
    # Without `asked` in it, a resumed search would draw the first trials of the search once more.
    needs = Asked(seed, trial_seed(seed, asked), slots, waiting)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return SAMPLERS[kind](needs)
