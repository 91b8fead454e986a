"""Estimates from a few trainings of each configuration: its mean FMD over training seeds, and whether it is the best.

The model: the log of FMD is normally distributed over training seeds. Each configuration has a mean and a spread of its
own. A few seeds determine a spread badly, so it is estimated from the configuration's own seeds and from those of the
others, which weigh as much as `BORROWED` further seeds (the moderated t statistic of Smyth 2004, limma). All
configurations take the same seeds; the estimates do not use that. The interval of the configuration that is ahead
covers its true mean less often than 95 %, because a lead is partly luck; tests/benchmarks/confirmation.py measures by
how much.
"""

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
    """The mean log FMD over training seeds: a t distribution with location `mean`, scale `error` and `dof`."""

    mean: float
    error: float
    dof: float

    def interval(self) -> tuple[float, float, float]:
        """Return the geometric mean FMD and its 95 % interval."""
        from scipy.stats import t  # a second, which most commands do not need

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
        borrowed = BORROWED * others / (BORROWED + others)
        borrowed_squares = borrowed * (all_squares - squares[name]) / others if others else 0.0
        if all_degrees:
            dof, sum_of_squares = degrees[name] + borrowed, squares[name] + borrowed_squares
        else:
            dof, sum_of_squares = PRIOR_DOF, PRIOR_DOF * PRIOR_SPREAD**2
        estimated[name] = Estimate(float(values.mean()), math.sqrt(sum_of_squares / dof / len(values)), dof)
    return estimated


def chance_of_better(one: Estimate, other: Estimate) -> float:
    """Return the probability that the mean of `one` is lower than that of `other`, by Welch's t."""
    from scipy.stats import t  # as above

    variance = one.error**2 + other.error**2
    if variance == 0:
        return 0.5 if one.mean == other.mean else float(one.mean < other.mean)
    dof = variance**2 / (one.error**4 / one.dof + other.error**4 / other.dof)
    return float(t.cdf((other.mean - one.mean) / math.sqrt(variance), dof))


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
    """Return how many trainings each configuration should have next, by name; empty when the race is over.

    A race as in SMAC (Hutter et al. 2011): all begin with one training. While several may be the best, or the best has
    only one training, the trainings of those that may be the best are doubled, up to `seeds`.

    Args:
        fmds: of every configuration in the race the FMDs of its trainings so far, which may be none.
        seeds: the largest number of trainings of a configuration.
    """
    first = 2 if len(fmds) == 1 else 1  # one alone is trained twice in any case, and both can run at a time
    waiting = {name: first for name, values in fmds.items() if not values}
    if waiting or not fmds:
        return waiting
    left = may_be_best(estimates(fmds))
    have = min(len(fmds[name]) for name in left)
    if have >= seeds or (len(left) == 1 and have >= 2):
        return {}
    wanted = min(seeds, 2 * have)
    return {name: wanted for name in left if len(fmds[name]) < wanted}
