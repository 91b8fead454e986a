"""What a few trainings say about a configuration: its mean FMD over training seeds, and whether it is the best.

The model: the log of FMD scatters normally over training seeds, each configuration about a mean of its own and by a
spread of its own, of which a few seeds tell little; so a spread is estimated from the configuration's own seeds and, as
if they were `BORROWED` seeds more, from those of the others (the moderated t statistic of Smyth 2004, limma). All take
the same seeds, which is not made use of. The interval of one that is ahead covers less often than that of any one: a
lead is part luck. How much less, tests/benchmarks/confirmation.py tells.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.95
# Weight of the others' spread, in degrees of freedom. Where spreads differ by 1 to 3 %, the intervals cover the truth
# in 94-97 % of races; with 2 in up to 98 %, with 8 in down to 93 %. source: tests/benchmarks/confirmation.py
BORROWED = 4.0
# The spread of log FMD and its degrees of freedom where no configuration has two seeds yet: larger than any seen at the
# full budget (2 % at 60 CPU-seconds), smaller than that of young models (18 % between two seeds of row A0).
PRIOR_SPREAD, PRIOR_DOF = 0.1, 4.0
# A configuration may still be the best while the probability that it is better than the one ahead is at least this.
CHANCE = 0.05
DRAWS = 20_000


@dataclass(frozen=True)
class Estimate:
    """The mean over training seeds, in logs: a t distribution of so many degrees of freedom about `mean`."""

    mean: float
    error: float
    dof: float

    def interval(self) -> tuple[float, float, float]:
        """Return the geometric mean FMD and its 95 % interval."""
        from scipy.stats import t

        half = float(t.ppf((1 + LEVEL) / 2, self.dof)) * self.error
        return math.exp(self.mean), math.exp(self.mean - half), math.exp(self.mean + half)


def estimates(fmds: Mapping[str, Sequence[float]]) -> dict[str, Estimate]:
    """Return the estimate of each configuration from its FMDs, all above 0, one a training seed."""
    logs = {name: np.log(np.asarray(values, float)) for name, values in fmds.items()}
    squares = {name: float(((values - values.mean()) ** 2).sum()) for name, values in logs.items()}
    degrees = {name: len(values) - 1 for name, values in logs.items()}
    all_squares, all_degrees = sum(squares.values()), sum(degrees.values())
    estimated = {}
    for name, values in logs.items():
        others = all_degrees - degrees[name]
        lent = BORROWED * others / (BORROWED + others)
        lent_squares = lent * (all_squares - squares[name]) / others if others else 0.0
        dof, sum_of_squares = degrees[name] + lent, squares[name] + lent_squares
        if not all_degrees:
            dof, sum_of_squares = PRIOR_DOF, PRIOR_DOF * PRIOR_SPREAD**2
        estimated[name] = Estimate(float(values.mean()), math.sqrt(sum_of_squares / dof / len(values)), dof)
    return estimated


def chance_of_better(one: Estimate, other: Estimate) -> float:
    """Return the probability that the mean of `one` is lower than that of `other`, by Welch's t."""
    from scipy.stats import t

    variances = one.error**2, other.error**2
    if not sum(variances):
        return 0.5 if one.mean == other.mean else float(one.mean < other.mean)
    dof = sum(variances) ** 2 / (variances[0] ** 2 / one.dof + variances[1] ** 2 / other.dof)
    return float(t.cdf((other.mean - one.mean) / math.sqrt(sum(variances)), dof))


def may_be_best(estimated: Mapping[str, Estimate]) -> list[str]:
    """Return the configurations that may be the best, the one ahead first."""
    ordered = sorted(estimated, key=lambda name: estimated[name].mean)
    ahead = estimated[ordered[0]]
    return [ordered[0], *(name for name in ordered[1:] if chance_of_better(estimated[name], ahead) >= CHANCE)]


def chances_of_best(estimated: Mapping[str, Estimate]) -> dict[str, float]:
    """Return the probability of each configuration that its mean is the lowest, by 20,000 seeded draws."""
    rng = np.random.default_rng(0)
    drawn = np.stack([e.mean + e.error * rng.standard_t(e.dof, DRAWS) for e in estimated.values()])
    shares = np.bincount(drawn.argmin(axis=0), minlength=len(estimated)) / DRAWS
    return dict(zip(estimated, shares.tolist(), strict=True))


def next_round(fmds: Mapping[str, Sequence[float]], seeds: int) -> dict[str, int]:
    """Return how many trainings each configuration should have next, by name; nothing where the race is over.

    A race in the manner of SMAC (Hutter et al. 2011): all begin with one training; while several may be the best, and
    for two at least, the trainings of those that may be are doubled, up to `seeds`.

    Args:
        fmds: FMDs of the trainings so far, of every configuration in the race, maybe none yet.
        seeds: trainings of a configuration at most.
    """
    waiting = {name: 1 for name, values in fmds.items() if not values}
    if waiting or not fmds:
        return waiting
    left = may_be_best(estimates(fmds))
    have = min(len(fmds[name]) for name in left)
    if have >= seeds or (len(left) == 1 and have >= 2):
        return {}
    wanted = min(seeds, 2 * have)
    return {name: wanted for name in left if len(fmds[name]) < wanted}
