"""What suggests the variants: Optuna's samplers, and what they need to know of a search that stops trials early."""

from __future__ import annotations

import heapq
import math
import warnings
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Container
from dataclasses import dataclass
from itertools import chain
from typing import Any

import optuna
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, QMCSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from search.study.journal import trial_seed

# Before a model has any use: the trials that a search takes from its sampler to begin with.
STARTUP_TRIALS = 10
# What TPE is shown of a study that has more: its time is then that of so many.
SHOWN_TRIALS = 100
SHOWN_BEST = 40

_LEARNT = (TrialState.COMPLETE, TrialState.PRUNED)
_Place = tuple[bool, int, float, int, FrozenTrial]


class _Telling:
    """The telling few of a study's trials for TPE: the best, and of the others the latest.

    TPE sorts all trials and builds its densities of them for each group of parameters: with 3,000 that takes 0.7 s a
    suggestion, with 100 some 0.03. Its better density is of the best tenth, 25 at most, and in the other one a trial's
    weight falls with its age: nothing is lost (tests/benchmarks/bounded.py). What has ended is looked at once.
    """

    def __init__(self, waiting: Container[int]) -> None:
        """Know of no trial yet; `waiting` as `WaitingTPESampler` has it."""
        self._waiting = waiting
        self._seen, self._open = 0, list[int]()
        self._best: list[_Place] = []
        self._latest = deque[FrozenTrial](maxlen=SHOWN_TRIALS)
        self._waits = dict[int, tuple[FrozenTrial, _Place]]()
        """The trials that waited at the last look, as the storage has them, and their places"""
        self._in_order: list[_Place] = []
        """The same places, the best first"""

    def look(self, study: optuna.Study) -> list[FrozenTrial]:
        """Return at most `SHOWN_TRIALS` that ended or wait, the latter as PRUNED, and all that run."""
        trials = study.get_trials(deepcopy=False)
        # The storage has another object of a trial once it has gone on, though it may wait again by now.
        waits = self._waits.items()
        gone = [number for number, (trial, _) in waits if number not in self._waiting or trials[number] is not trial]
        for number in gone:
            _, place = self._waits.pop(number)
            del self._in_order[bisect_left(self._in_order, place)]
        runs, still_open = [], []
        for number in chain(sorted([*gone, *self._open]), range(self._seen, len(trials))):
            trial = trials[number]
            if trial.state in _LEARNT:
                self._end(trial, len(study.directions))
            elif not trial.state.is_finished() and number in self._waiting:
                self._wait(trial)
            elif not trial.state.is_finished():
                still_open.append(number)
                runs += [trial] if trial.state == TrialState.RUNNING else []
        self._seen, self._open = len(trials), still_open
        return [*self._chosen(), *runs]

    def _wait(self, trial: FrozenTrial) -> None:
        place = _place(_as_pruned(trial))
        self._waits[trial.number] = trial, place
        insort(self._in_order, place)

    def _chosen(self) -> list[FrozenTrial]:
        best = heapq.nsmallest(SHOWN_BEST, [*self._best, *self._in_order[:SHOWN_BEST]])
        newest = sorted(self._waits)[-SHOWN_TRIALS - 1 :]  # nearly sorted as they are, so faster than a heap
        latest = [*self._latest, *(self._waits[number][1][-1] for number in newest)]
        if len(latest) > SHOWN_TRIALS or len(self._latest) == SHOWN_TRIALS:
            latest = heapq.nlargest(SHOWN_TRIALS - len(best), latest, key=lambda trial: trial.number)
        chosen = {trial.number: trial for trial in (*(trial for *_, trial in best), *latest)}
        return [chosen[number] for number in sorted(chosen)]

    def _end(self, trial: FrozenTrial, objectives: int) -> None:
        self._latest.append(trial)
        if objectives == 1:
            insort(self._best, _place(trial))
        elif trial.state == TrialState.COMPLETE and not any(_dominates(other, trial) for *_, other in self._best):
            self._best = [place for place in self._best if not _dominates(trial, place[-1])]
            self._best.append(_place(trial))
        del self._best[SHOWN_BEST:]


def _as_pruned(trial: FrozenTrial) -> FrozenTrial:
    seen = FrozenTrial.__new__(FrozenTrial)
    seen.__dict__.update(trial.__dict__, state=TrialState.PRUNED)
    return seen


def _place(trial: FrozenTrial) -> _Place:
    """Return what TPE orders trials by: those that diverged last, then the larger budget first, then the value."""
    last = trial.last_step
    if last is None:
        return True, 0, math.inf, trial.number, trial
    infeasible = any(value > 0 for value in trial.constraints.values())
    return infeasible, -last, trial.intermediate_values[last], trial.number, trial


def _dominates(one: FrozenTrial, other: FrozenTrial) -> bool:
    return one.values != other.values and all(a <= b for a, b in zip(one.values, other.values, strict=True))


class _Shown:
    """A study with no trials but those that are shown."""

    def __init__(self, study: optuna.Study, trials: list[FrozenTrial], number: int) -> None:
        """`number` is the trial that they are shown for."""
        self._study, self._trials, self.number = study, trials, number

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        return [trial for trial in self._trials if states is None or trial.state in states]


class WaitingTPESampler(TPESampler):
    """TPE that learns from trials that wait, which for Optuna are running and so no better than bad."""

    def __init__(self, waiting: Container[int], **options: Any) -> None:
        """`waiting` holds the numbers of the trials that wait, at every moment; `options` are TPESampler's."""
        super().__init__(**options)
        self._telling = _Telling(waiting)
        self._shown: _Shown | None = None

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
            self._shown = _Shown(study, self._telling.look(study), trial.number)
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
