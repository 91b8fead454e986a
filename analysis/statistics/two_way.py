"""Estimates from a few trainings of each configuration, of which many share their training seeds.

The model is the two-way layout, log FMD = configuration + seed + residual (Scheffe 1959, "The analysis of variance",
chapter 4, and chapter 8 for random effects): a seed makes all configurations better or worse together. Its effect is
random; the means are those of generalised least squares, so that a difference is taken within seeds wherever two
configurations share them, and a configuration with fewer seeds is corrected by what the seeds did to the others.

Few seeds determine a spread badly, so each is moderated (Smyth 2004, limma): the residuals of a configuration are
weighed with those of the others, and both with spreads that earlier confirmations had. No interval is of no width.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
# A race judges differences when each contender has two seeds and again when it has four. The interval of a difference
# is so wide that it holds at both (repeated intervals, Jennison and Turnbull 1989, by Bonferroni's inequality).
LOOKS = 2
LOOK_LEVEL = 1 - (1 - LEVEL) / LOOKS
# The spread of log FMD over training seeds was 3.5 to 6.5 % in recorded confirmations. It counts as much as two seeds.
SPREAD, SPREAD_DOF = 0.05, 2.0
# The spread that is left within seeds, with correlations of 0.82 to 0.99 between configurations, counts as half a seed;
# the residuals of the other configurations count as two more. source: tests/benchmarks/confirmation.py
RESIDUAL, RESIDUAL_DOF, BORROWED = 0.015, 1.0, 2.0
# The same where no two configurations share two seeds yet: larger than recorded ones, of 0.5 to 2.8 %.
FIRST_RESIDUAL, FIRST_DOF = 0.05, 4.0
DRAWS = 20_000

Array = NDArray[np.float64]
BySeed = Mapping[int, float]  # FMD, above 0, by training seed


@dataclass(frozen=True)
class Difference:
    """The mean log FMD of a configuration minus that of another: a t distribution."""

    mean: float
    error: float
    dof: float

    @property
    def chance(self) -> float:
        """The probability that it is below 0."""
        from scipy.special import stdtr  # half a second, which most commands do not need

        return float(stdtr(self.dof, -self.mean / self.error))

    def ratio(self) -> tuple[float, float, float]:
        """Return how many times the other's FMD it is, with the interval that holds over the looks of a race."""
        half = quantile(LOOK_LEVEL, self.dof) * self.error
        return math.exp(self.mean), math.exp(self.mean - half), math.exp(self.mean + half)


@dataclass(frozen=True)
class Behind:
    """How far the mean FMD of a configuration is above that of another, as a share of it: 0.1 is 10 % worse.

    Attributes:
        share, low, high: the share and its 95 % interval, from differences within the seeds that both have.
        seeds: how many these are.
    """

    share: float
    low: float
    high: float
    seeds: int

    @property
    def certain(self) -> bool:
        """Whether the interval leaves out that both are equally good."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Estimates:
    """What a few trainings tell of the configurations `names`.

    Attributes:
        fmds: of each its FMDs.
        means: the mean log FMD of each over training seeds, (k,).
        covariance: of the errors of `means`, (k, k), with the part that the seeds have in common.
        spreads: the standard deviation of log FMD over training seeds, (k,).
        residual_dof: degrees of freedom of each one's own residuals, (k,).
        borrowed_dof: those that it takes from the others and from earlier confirmations, (k,).
    """

    fmds: Mapping[str, BySeed]
    means: Array
    covariance: Array
    spreads: Array
    residual_dof: Array
    borrowed_dof: Array

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The configurations, in the order of the arrays."""
        return tuple(self.fmds)

    @cached_property
    def ordered(self) -> list[str]:
        """The names, the lowest mean first."""
        return [self.names[index] for index in np.argsort(self.means, kind="stable")]

    def mean(self, name: str) -> tuple[float, float, float]:
        """Return the geometric mean FMD of one and its 95 % interval over training seeds."""
        index, count = self.names.index(name), len(self.fmds[name])
        half = quantile(LEVEL, SPREAD_DOF + count - 1) * (self.spreads[index] / math.sqrt(count))
        mean = float(self.means[index])
        return math.exp(mean), math.exp(mean - half), math.exp(mean + half)

    def difference(self, one: str, other: str) -> Difference:
        """Return the difference of the mean log FMD of `one` from that of `other`."""
        i, j = self.names.index(one), self.names.index(other)
        variance = self.covariance[i, i] + self.covariance[j, j] - 2 * self.covariance[i, j]
        own = self.residual_dof[i] + self.residual_dof[j]
        borrowed = (self.borrowed_dof[i] + self.borrowed_dof[j]) / 2
        return Difference(float(self.means[i] - self.means[j]), math.sqrt(variance), float(own + borrowed))

    def behind(self, one: str, other: str) -> Behind:
        """Return how far `one` is behind `other`."""
        share, low, high = (ratio - 1 for ratio in self.difference(one, other).ratio())
        return Behind(share, low, high, len(self.fmds[one].keys() & self.fmds[other].keys()))

    def chances_of_best(self) -> dict[str, float]:
        """Return the probability of each that its mean is the lowest, by 20,000 seeded draws."""
        rng = np.random.default_rng(0)
        dof = float(np.mean(2 * self.residual_dof + self.borrowed_dof))
        normal = rng.standard_normal((DRAWS, len(self.names))) @ np.linalg.cholesky(self.covariance).T
        drawn = self.means + normal * np.sqrt(dof / rng.chisquare(dof, (DRAWS, 1)))
        shares = np.bincount(drawn.argmin(axis=1), minlength=len(self.names)) / DRAWS
        return dict(zip(self.names, shares.tolist(), strict=True))


def estimates(fmds: Mapping[str, BySeed]) -> Estimates:
    """Return the estimates of configurations from their FMDs; each has one seed or more."""
    which = np.repeat(np.arange(len(fmds)), [len(values) for values in fmds.values()])
    given = [seed for values in fmds.values() for seed in values]
    seeds = np.unique(given, return_inverse=True)[1]
    logs = np.log([value for values in fmds.values() for value in values.values()])
    squares, dof = _residuals(which, seeds, logs)
    residual, borrowed = _moderated(squares, dof)
    counts = np.bincount(which).astype(float)
    around = np.bincount(which, (logs - (np.bincount(which, logs) / counts)[which]) ** 2)
    spread = (SPREAD_DOF * SPREAD**2 + around) / (SPREAD_DOF + counts - 1)
    shared = max(0.0, float((spread - residual).mean()))
    means, covariance = _least_squares(which, seeds, logs, residual, shared)
    return Estimates(fmds, means, covariance, np.sqrt(spread), dof, borrowed)


def quantile(level: float, dof: float) -> float:
    """Return half the width of the central interval of a t distribution."""
    from scipy.special import stdtrit  # half a second, as in `Difference.chance`

    return float(stdtrit(dof, (1 + level) / 2))


def _moderated(squares: Array, dof: Array) -> tuple[Array, Array]:
    """Return by configuration the variance of its residuals, and the degrees of freedom that are not its own."""
    if dof.sum() < 0.5:  # 0, but for rounding
        return np.full_like(dof, FIRST_RESIDUAL**2), np.full_like(dof, FIRST_DOF)
    others = RESIDUAL_DOF + dof.sum() - dof
    pooled = (RESIDUAL_DOF * RESIDUAL**2 + squares.sum() - squares) / others
    borrowed = BORROWED * others / (BORROWED + others)
    return (borrowed * pooled + squares) / (borrowed + dof), borrowed


def _residuals(which: NDArray[np.intp], seeds: NDArray[np.intp], logs: Array) -> tuple[Array, Array]:
    """Return by configuration the sum of squared residuals of the two-way layout, and its degrees of freedom."""
    design = np.hstack([np.eye(which.max() + 1)[which], np.eye(seeds.max() + 1)[seeds]])
    hat = design @ np.linalg.pinv(design)
    dof = np.bincount(which, 1 - np.diag(hat)).astype(float)
    return np.bincount(which, (logs - hat @ logs) ** 2).astype(float), dof.clip(0.0)


def _least_squares(
    which: NDArray[np.intp], seeds: NDArray[np.intp], logs: Array, residual: Array, shared: float
) -> tuple[Array, Array]:
    """Return the means and their covariance, given the variances of the residuals and of the seeds' effects."""
    design = np.eye(len(residual))[which]
    covariance = shared * (seeds[:, None] == seeds) + np.diag(residual[which])
    weighed = np.linalg.solve(covariance, design)
    inverse = np.linalg.inv(design.T @ weighed).astype(float)
    return inverse @ (weighed.T @ logs), inverse
