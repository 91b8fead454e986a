"""Rank correlation of the trials' FMDs at a rung with those at the full budget, on which early stopping relies."""

import math
from dataclasses import dataclass

from analysis.run.run import Run

# With four trials even the same order at both rungs is not significant: 2 / 4! > 0.05 > 2 / 5!.
FEWEST = 5


@dataclass(frozen=True)
class RungCorrelation:
    """The rank correlation of FMDs at a rung with those at the final budget.

    Attributes:
        images_seen, final: the two budgets, in training images.
        trials: how many have a report at both.
        spearman, kendall: rank correlations (tau-b), -1..1.
        low, high: 95 % interval of `spearman`.
        stopped: how many trials have a report at `images_seen` and were pruned before `final`; if there are any, only
            survivors have both values, which biases the correlation, usually towards zero.
    """

    images_seen: int
    final: int
    trials: int
    spearman: float
    low: float
    high: float
    kendall: float
    stopped: int


def rung_correlation(run: Run) -> list[RungCorrelation]:
    """Return the correlations by ascending rung; empty where fewer than `FEWEST` trials have two reports.

    All trials count, baselines too. `final` is the largest budget that `FEWEST` trials have reached, which in a search
    with early stopping may be less than the full one. A diverged trial has the worst place.
    """
    fmds: dict[int, dict[str, float]] = {}
    for row in run.curves().to_pylist():
        fmds.setdefault(row["images_seen"], {})[row["trial"]] = math.inf if row["diverged"] else row["fmd"]
    reached = [images for images, values in fmds.items() if len(values) >= FEWEST]
    if not reached:
        return []
    from scipy.stats import kendalltau, spearmanr  # a second, which most commands do not need

    final = max(reached)
    trials = run.trials().select(["trial", "state"]).to_pylist()
    pruned = {row["trial"] for row in trials if row["state"] == "PRUNED"}
    found = []
    for images in sorted(images for images in reached if images < final):
        both = sorted(fmds[images].keys() & fmds[final].keys())
        if len(both) >= FEWEST:
            first = [fmds[images][trial] for trial in both]
            last = [fmds[final][trial] for trial in both]
            stopped = len(pruned & (fmds[images].keys() - fmds[final].keys()))
            spearman, kendall = float(spearmanr(first, last).statistic), float(kendalltau(first, last).statistic)
            low, high = interval(spearman, len(both))
            found.append(RungCorrelation(images, final, len(both), spearman, low, high, kendall, stopped))
    return found


def interval(spearman: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval of Spearman's correlation of n > 3 pairs, by Fisher's z.

    The standard error of z is sqrt((1 + r^2 / 2) / (n - 3)) (Bonett and Wright 2000, "Sample size requirements for
    estimating Pearson, Kendall and Spearman correlations"). The same order throughout, of which z is infinite, counts
    as the order that is one swap of neighbours away from it, r = 1 - 12 / (n (n^2 - 1)); its interval reaches to 1.
    """
    nearest = 1 - 12 / (n * (n**2 - 1))
    r = max(-nearest, min(nearest, spearman))
    error = 1.96 * math.sqrt((1 + r**2 / 2) / (n - 3))
    low, high = math.tanh(math.atanh(r) - error), math.tanh(math.atanh(r) + error)
    return min(low, spearman), max(high, spearman)
