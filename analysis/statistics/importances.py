"""Which fields of a configuration mattered: PED-ANOVA, with intervals and with what chance alone would show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.run.run import Run
from analysis.statistics.comparable_trials import ENOUGH, cohort

if TYPE_CHECKING:
    from analysis.statistics.pedanova import PedAnova

# For a standard error 50 resamples are often enough: Efron and Tibshirani 1993, An Introduction to the Bootstrap, 6.4.
RESAMPLES = 50
PART = 10  # trials that have a field; of fewer, in its three or more groups, there is nothing to see
SMALLEST = 1e-3  # a share of a thousandth is none; its logit is finite

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Importance:
    """How much a field tells the best quarter of the trials from all of them.

    Attributes:
        name: the field, such as "training/lr".
        value: its share of the importance of all fields, 0..1; the shares sum to 1.
        low, high: 95 % interval of the share: 1.96 bootstrap standard errors of its logit to both sides.
        chance: the share that a field of such values but without influence stays below in 95 % of permutations.
        trials: how many of the trials have the field.
    """

    name: str
    value: float
    low: float
    high: float
    chance: float
    trials: int


def importances(run: Run) -> list[Importance]:
    """Return the fields that vary, the most important first; empty with fewer than `ENOUGH` trials at one budget.

    PED-ANOVA (Watanabe, Bansal and Hutter 2023, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in
    Arbitrary Subspaces", IJCAI): the Pearson divergence of a field's distribution over its groups among the best
    quarter of the trials from that among all. `comparable_trials` says which trials and groups those are.

    A field that only a part of the trials has counts by that part (Optuna's evaluator, after theorem 4.2 of
    "Conditional PED-ANOVA", arXiv 2601.20800); that it is there at all counts for the kind that brings it.

    The distributions are of what was tried: a sampler such as TPE draws where it was good before. Comparing with all
    that was tried corrects for this, but not for fields that it moved together: one that it happened to fix late, when
    the others were good already, looks important. In few trials a field of many options looks important too; `chance`
    says how important. What is below it cannot be told from nothing.
    """
    compared = cohort(run)
    if compared is None or len(compared.rows) < ENOUGH:
        return []
    from analysis.statistics.pedanova import PedAnova

    groups = {name: compared.groups(name) for name in compared.varied() if len(compared.having(name)) >= PART}
    evaluator = PedAnova(compared.rows, groups)
    fmds = np.array([np.inf if row["diverged"] else row["fmd"] for row in compared.rows])
    if not (shares := _shares(evaluator, fmds)):
        return []
    found = [
        Importance(name, value, low, high, chance, len(compared.having(name)))
        for name, (value, low, high, chance) in zip(groups, shares, strict=True)
    ]
    return sorted(found, key=lambda importance: -importance.value)


def _shares(evaluator: PedAnova, fmds: Array) -> list[tuple[float, float, float, float]]:
    """Return value, low, high and chance of each field; nothing if no field differs between the best and all."""
    rng, every = np.random.default_rng(0), np.arange(fmds.size)
    divergence = evaluator.divergences(every, fmds)
    if not divergence.any():
        return []
    permuted = [evaluator.divergences(every, rng.permutation(fmds)) for _ in range(RESAMPLES)]
    drawn = [rng.choice(every, every.size) for _ in range(RESAMPLES)]
    error = 1.96 * np.std([_logits(evaluator.divergences(rows, fmds[rows])) for rows in drawn], axis=0, ddof=1)
    share = divergence / divergence.sum()
    low, high = (1 / (1 + np.exp(-_logits(divergence) - sign * error)) for sign in (-1, 1))
    chance = np.minimum(np.quantile(permuted, 0.95, axis=0) / divergence.sum(), 1.0)
    columns = (share, np.minimum(low, share), np.maximum(high, share), chance)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _logits(divergence: Array) -> Array:
    """Return the logits of the shares of divergences (fields,)."""
    share = np.clip(divergence / max(divergence.sum(), SMALLEST**2), SMALLEST, 1 - SMALLEST)
    return np.log(share / (1 - share))
