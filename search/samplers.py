"""What suggests the variants: Optuna's samplers, and what they need to know of a search that stops trials early."""

from __future__ import annotations

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


class _WithWaiting:
    """A study in which a trial that waits at its rung is PRUNED, as one is that was stopped there."""

    def __init__(self, study: optuna.Study, waiting: Container[int]) -> None:
        self._study, self._waiting = study, waiting

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        seen = [self._as_seen(trial) for trial in self._study._get_trials(deepcopy=False, use_cache=use_cache)]
        return [trial for trial in seen if states is None or trial.state in states]

    def _as_seen(self, trial: FrozenTrial) -> FrozenTrial:
        if trial.number not in self._waiting:
            return trial
        seen = FrozenTrial.__new__(FrozenTrial)
        seen.__dict__.update(trial.__dict__, state=TrialState.PRUNED)
        return seen


class WaitingTPESampler(TPESampler):
    """TPE that learns from trials that wait, which for Optuna are running and so no better than bad."""

    def __init__(self, waiting: Container[int], **options: Any) -> None:
        """`waiting` holds the numbers of the trials that wait, at every moment; `options` are TPESampler's."""
        super().__init__(**options)
        self._waiting = waiting

    def infer_relative_search_space(self, study: Any, trial: FrozenTrial) -> Any:
        """See TPESampler."""
        return super().infer_relative_search_space(self._view(study), trial)

    def sample_relative(self, study: Any, trial: FrozenTrial, search_space: Any) -> dict[str, Any]:
        """See TPESampler."""
        return super().sample_relative(self._view(study), trial, search_space)

    def sample_independent(self, study: Any, trial: FrozenTrial, param_name: str, param_distribution: Any) -> Any:
        """See TPESampler."""
        return super().sample_independent(self._view(study), trial, param_name, param_distribution)

    def _view(self, study: optuna.Study) -> Any:
        return _WithWaiting(study, self._waiting)


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
