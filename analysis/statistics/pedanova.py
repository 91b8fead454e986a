"""Optuna's evaluator of importances, on any choice of trials without a study of their own; imports optuna."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import FrozenTrial, TrialState

from analysis.statistics.comparable_trials import Row

# The best part of the trials, gamma' in the paper. Optuna's default, a tenth, is two of the 20 trials that have to be
# there, and six of 60; it wants five itself, and with so few the shares are mostly noise.
TOP = 0.25

Array = np.ndarray[Any, Any]


class _Given(optuna.Study):
    """A study of the trials it is given: in a storage they would be copied, which takes longer than the evaluation."""

    given: list[FrozenTrial]

    def get_trials(self, deepcopy: bool = True, states: Container[TrialState] | None = None) -> list[FrozenTrial]:
        return self.given


class PedAnova:
    """The evaluator for trials whose fields were put into groups."""

    def __init__(self, rows: Sequence[Row], groups: dict[str, dict[str, list[Row]]]) -> None:
        """Take the trials, and by field and group those that are in it; a field may lack some of the trials."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.names = list(groups)
        group = {
            (name, row["trial"]): label for name in groups for label in groups[name] for row in groups[name][label]
        }
        domains: dict[str, BaseDistribution] = {name: CategoricalDistribution(list(groups[name])) for name in groups}
        has = [[name for name in groups if (name, row["trial"]) in group] for row in rows]
        self._params = [
            {name: group[name, row["trial"]] for name in names} for row, names in zip(rows, has, strict=True)
        ]
        self._domains = [{name: domains[name] for name in names} for names in has]
        self._study = _empty()
        self._evaluator = PedAnovaImportanceEvaluator(target_quantile=TOP)

    def divergences(self, rows: Sequence[int] | Array, fmds: Array) -> Array:
        """Return the divergence (names,) of each field, of the trials of numbers `rows` (N,) with `fmds` (N,)."""
        ranks = np.argsort(np.argsort(fmds, kind="stable"))  # without ties, of which the evaluator takes all or none
        self._study.given = [self._trial(row, place, int(ranks[place])) for place, row in enumerate(rows)]
        found = self._evaluator.evaluate(self._study)
        return np.array([found.get(name, 0.0) for name in self.names])

    def _trial(self, row: int, number: int, value: float) -> FrozenTrial:
        params, domains = self._params[row], self._domains[row]
        state = TrialState.COMPLETE
        return FrozenTrial(number, state, value, None, None, params, domains, {}, {}, {}, trial_id=number)


def _empty() -> _Given:
    storage = optuna.storages.InMemoryStorage()
    number = storage.create_new_study([optuna.study.StudyDirection.MINIMIZE])
    return _Given(storage.get_study_name_from_id(number), storage)
