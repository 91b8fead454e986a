"""Which fields of a configuration mattered: PED-ANOVA, with intervals and with what chance alone would show."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.run.run import Run
from analysis.statistics.comparable_trials import ENOUGH, ComparableTrials, comparable_trials

# The best part of the trials, gamma' in the paper. Optuna's default, a tenth, is two of the 20 trials that have to be
# there, and six of 60; its documentation asks for five, and with so few the shares are mostly noise.
TOP = 0.25
# For a standard error 50 resamples are often enough: Efron and Tibshirani 1993, An Introduction to the Bootstrap, 6.4.
RESAMPLES = 50
FEWEST = 10  # trials that have a field: fewer, in three groups or more, show nothing
SMALLEST = 1e-3  # shares are clipped to this, so that their logits are finite

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

    The distributions are of what was tried: a sampler such as TPE draws where it was good before. Comparing with all
    that was tried corrects for this, but not for fields that it moved together: one that it happened to fix late, when
    the others were good already, looks important. In few trials a field of many options looks important too; `chance`
    says how important. A share below it cannot be told from nothing.
    """
    compared = comparable_trials(run)
    if compared is None or len(compared.trials) < ENOUGH:
        return []
    names = [name for name in compared.varied_fields() if len(compared.having(name)) >= FEWEST]
    members = [_members(compared, name) for name in names]
    fmds = np.array([np.inf if trial.diverged else trial.fmd for trial in compared.trials])
    shares = _shares(members, fmds)
    if not shares:
        return []
    found = [Importance(name, *share, len(compared.having(name))) for name, share in zip(names, shares, strict=True)]
    return sorted(found, key=lambda importance: -importance.value)


def _members(compared: ComparableTrials, name: str) -> Array:
    """Return which trial (trials, groups) is in which group of a field, 1 or 0; a trial that lacks the field has 0."""
    groups = [{trial.trial for trial in group} for group in compared.groups(name).values()]
    return np.array([[trial.trial in group for group in groups] for trial in compared.trials], dtype=float)


def _shares(members: Sequence[Array], fmds: Array) -> list[tuple[float, float, float, float]]:
    """Return value, low, high and chance of each field; nothing if no field differs between the best and all."""
    rng, every = np.random.default_rng(0), np.arange(fmds.size)
    found = divergences(members, fmds)
    if not found.any():
        return []
    permuted = [divergences(members, rng.permutation(fmds)) for _ in range(RESAMPLES)]
    drawn = [rng.choice(every, every.size) for _ in range(RESAMPLES)]
    resampled = [divergences([field[rows] for field in members], fmds[rows]) for rows in drawn]
    error = 1.96 * np.std([_logits(sample) for sample in resampled], axis=0, ddof=1)
    share = found / found.sum()
    low, high = _sigmoid(_logits(found) - error), _sigmoid(_logits(found) + error)
    chance = np.minimum(np.quantile(permuted, 0.95, axis=0) / found.sum(), 1.0)
    columns = (share, np.minimum(low, share), np.maximum(high, share), chance)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def divergences(members: Sequence[Array], fmds: Array) -> Array:
    """Return the PED-ANOVA divergence (fields,) of each field, up to a factor that all fields share.

    A field that only a part of the trials has counts by that part: alpha^2 / beta times the divergence among the trials
    that have it, where alpha is their share of the best trials and beta their share of all (theorem 4.2 of
    "Conditional PED-ANOVA", arXiv 2601.20800). Whether a trial has it counts for the kind that brings it.

    Args:
        members: for each field, which trial (trials, groups) is in which of its groups, as 1 and 0.
        fmds: (trials,).
    """
    best = np.argsort(fmds, kind="stable")[: math.ceil(TOP * fmds.size)]
    return np.array(
        [_divergence(field.sum(axis=0), field[best].sum(axis=0), fmds.size, best.size) for field in members]
    )


def _divergence(counts: Array, best_counts: Array, trials: int, best: int) -> float:
    """Return alpha^2 / beta times the Pearson divergence, from the number of trials in each group (groups,)."""
    if not best_counts.any():
        return 0.0
    alpha, beta = best_counts.sum() / best, counts.sum() / trials
    p, q = _smoothed(counts), _smoothed(best_counts)
    return float(alpha**2 / beta * np.sum((q - p) ** 2 / p))


def _smoothed(counts: Array) -> Array:
    """Return the probability of each group by Optuna's Parzen estimator of a categorical field, whose prior weighs 1.

    A group with trials is a kernel ((m + 1) [g = i] + 1) / (m + 1 + k) over the k groups, m of them with trials,
    weighted by its trials; the prior is uniform.
    """
    n, k, kernels = counts.sum(), counts.size, np.count_nonzero(counts) + 1
    return ((kernels * counts + n) / (kernels + k) + 1 / k) / (n + 1)


def _logits(divergence: Array) -> Array:
    """Return the logits of the shares of divergences (fields,)."""
    share = np.clip(divergence / max(divergence.sum(), SMALLEST**2), SMALLEST, 1 - SMALLEST)
    return np.log(share / (1 - share))


def _sigmoid(logits: Array) -> Array:
    return 1 / (1 + np.exp(-logits))
