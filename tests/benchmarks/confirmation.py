"""Simulates confirmations with a known truth: is the best found, is it named falsely, do the intervals cover?

    python tests/benchmarks/confirmation.py [--replays 1000]

Contenders share their training seeds: their log FMDs correlate by rho, and each has a spread of its own. Recorded ones
spread by 3.5 to 6.5 % and correlate by 0.97 to 0.995, and by 0.82 to 0.94 on the test images. A race names the best
where no other contender may be the best. Beside it: the rule of version 0.2, which takes the contenders as independent,
and as many trainings in all, shared out equally. Means and differences are judged after the last training.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import stats

from analysis.statistics.confidence import may_be_best, next_round
from analysis.statistics.two_way import estimates

Array = NDArray[np.float64]
Round = Callable[[Mapping[str, Sequence[float]], int], dict[str, int]]
LEVEL = 30.0  # FMD of the best


@dataclass(frozen=True)
class Scenario:
    """Contenders of which the best is ahead of the second by `gap`, in logs, and that one of the third, and so on.

    Attributes:
        rho: correlation of two contenders over seeds.
        spreads: of log FMD, from which each contender has one; "loud" is one contender of 8 % beside others of 4 %.
        tail: of the seeds' effects and of the residuals.
        seeds: of a contender at most.
    """

    contenders: int = 3
    gap: float = 0.0
    rho: float = 0.87
    spreads: tuple[float, float] | str = (0.035, 0.065)
    tail: str = "normal"
    seeds: int = 4

    def draw(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """Return the true means, (k,), and the FMDs of all trainings that there could be, (k, seeds k)."""
        k = self.contenders
        truth = math.log(LEVEL) + rng.permutation(k) * self.gap
        if self.spreads == "loud":
            spread = np.where(np.arange(k) == rng.integers(k), 0.08, 0.04)
        else:
            low, high = self.spreads
            spread = rng.uniform(float(low), float(high), k)
        shared, own = _noise(rng, self.tail, (1, self.seeds * k)), _noise(rng, self.tail, (k, self.seeds * k))
        effect = math.sqrt(self.rho) * shared + math.sqrt(1 - self.rho) * own
        return truth, np.exp(truth[:, None] + spread[:, None] * effect)


def _noise(rng: np.random.Generator, tail: str, shape: tuple[int, int]) -> Array:
    """Return draws of mean 0 and standard deviation 1."""
    if tail == "heavy":
        return rng.standard_t(3, shape) / math.sqrt(3)
    if tail == "skewed":
        return rng.exponential(1.0, shape) - 1
    return rng.standard_normal(shape)


def race(trainings: Array, seeds: int, rule: Round = next_round) -> dict[str, list[float]]:
    """Return the FMDs of a race, of which those of all trainings that there could be are given."""
    fmds: dict[str, list[float]] = {str(i): [] for i in range(len(trainings))}
    while wanted := rule(fmds, seeds):
        for name, count in wanted.items():
            fmds[name] = trainings[int(name), :count].tolist()
    return fmds


def simulate(scenario: Scenario, replays: int) -> Counter[str]:
    """Return counts over so many replays."""
    tally: Counter[str] = Counter()
    rng = np.random.default_rng(0)
    for _ in range(replays):
        _replay(tally, scenario, rng)
    return tally


def _replay(tally: Counter[str], scenario: Scenario, rng: np.random.Generator) -> None:
    truth, trainings = scenario.draw(rng)
    fmds = race(trainings, scenario.seeds)
    estimated = estimates({name: dict(enumerate(values)) for name, values in fmds.items()})
    candidates = may_be_best(estimated)
    ahead, spent = int(candidates[0]), sum(map(len, fmds.values()))
    right = truth[ahead] == truth.min()
    tally["trainings"] += spent
    tally["ahead"] += right
    _name(tally, "", len(candidates) == 1, right and scenario.gap > 0)
    equal = [spent // len(truth) + (i < spent % len(truth)) for i in rng.permutation(len(truth))]
    repeated = [np.log(row[:n]).mean() for row, n in zip(trainings, equal, strict=True)]
    tally["equal ahead"] += truth[int(np.argmin(repeated))] == truth.min()
    old = race(trainings, scenario.seeds, next_round_before)
    left = may_be_best_before(old)
    tally["old trainings"] += sum(map(len, old.values()))
    _name(tally, "old ", len(left) == 1, truth[int(left[0])] == truth.min() and scenario.gap > 0)
    for name, low, high in [(name, *estimated.mean(name)[1:]) for name in fmds]:
        tally["means"] += 1
        tally["means covered"] += bool(low <= math.exp(truth[int(name)]) <= high)
    for name in fmds:
        if int(name) != ahead:
            _, low, high = estimated.difference(name, candidates[0]).ratio()
            tally["differences"] += 1
            tally["differences covered"] += bool(low <= math.exp(truth[int(name)] - truth[ahead]) <= high)


def _name(tally: Counter[str], rule: str, named: bool, right: bool) -> None:
    tally[f"{rule}named"] += named and right
    tally[f"{rule}false"] += named and not right


def may_be_best_before(fmds: Mapping[str, Sequence[float]]) -> list[str]:
    """Return what may be the best by the rule of version 0.2: Welch's t of independent, moderated means."""
    logs = {name: np.log(values) for name, values in fmds.items() if len(values)}
    squares = {name: float(((values - values.mean()) ** 2).sum()) for name, values in logs.items()}
    dof = {name: len(values) - 1 for name, values in logs.items()}
    means = {}
    for name, values in logs.items():
        others = sum(dof.values()) - dof[name]
        borrowed = 4 * others / (4 + others)
        total = borrowed * (sum(squares.values()) - squares[name]) / others if others else 0.0
        known = (dof[name] + borrowed, squares[name] + total) if sum(dof.values()) else (4.0, 4 * 0.1**2)
        means[name] = (float(values.mean()), known[1] / known[0] / len(values), known[0])
    ahead, *rest = sorted(means, key=lambda name: means[name][0])
    mean, variance, degrees = means[ahead]
    left = [ahead]
    for name in rest:
        other, own, d = means[name]
        welch = (variance + own) ** 2 / (variance**2 / degrees + own**2 / d)
        left += [name] if stats.t.sf((other - mean) / math.sqrt(variance + own), welch) >= 0.05 else []
    return left


def next_round_before(fmds: Mapping[str, Sequence[float]], seeds: int) -> dict[str, int]:
    """Return the next round of a race by that rule."""
    if waiting := {name: 1 for name, values in fmds.items() if not values}:
        return waiting
    left = may_be_best_before(fmds)
    have = min(len(fmds[name]) for name in left)
    if have >= seeds or (len(left) == 1 and have >= 2):
        return {}
    wanted = min(seeds, 2 * have)
    return {name: wanted for name in left if len(fmds[name]) < wanted}


def scenarios() -> list[Scenario]:
    """Return what is simulated: one thing at a time differs from the recorded confirmations."""
    rhos = (0.0, 0.87, 0.97)
    usual = [Scenario(gap=gap, rho=rho) for gap in (0.0, 0.03) for rho in rhos]
    usual += [Scenario(gap=0.03, rho=rho, seeds=seeds) for seeds in (2, 8) for rho in rhos[1:]]
    usual += [Scenario(seeds=8, rho=rho) for rho in rhos[1:]]
    spread = [Scenario(gap=gap, spreads=(0.015, 0.08), rho=rho) for gap in (0.0, 0.03) for rho in rhos]
    loud = [Scenario(gap=gap, spreads="loud", rho=rho) for gap in (0.0, 0.03) for rho in rhos]
    tails = [Scenario(tail=tail, rho=rho) for tail in ("skewed", "heavy") for rho in rhos]
    sizes = [Scenario(contenders=k, gap=gap, rho=rho) for k in (2, 6, 12) for gap in (0.0, 0.03) for rho in rhos[1:]]
    return [*usual, *spread, *loud, *tails, *sizes]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replays", type=int, default=1000)
    replays = parser.parse_args().replays
    columns = ("contenders", "gap", "rho", "spreads", "tails", "seeds", "trainings", "named", "false", "ahead")
    columns += ("equal ahead", "old trainings", "old named", "old false", "means cover", "differences cover")
    table = Table(*columns, title=f"{replays:,} replays")
    for scenario in scenarios():
        table.add_row(*_cells(scenario, simulate(scenario, replays), replays))
    Console(width=200).print(table)


def _cells(scenario: Scenario, tally: Counter[str], replays: int) -> list[str]:
    loud = scenario.spreads == "loud"
    spreads = "4 %, one 8 %" if loud else "{:.1%} to {:.1%}".format(*scenario.spreads)
    given = [f"{scenario.contenders}", f"{scenario.gap:.0%}", f"{scenario.rho:g}", spreads, scenario.tail]
    found = [f"{scenario.seeds}", f"{tally['trainings'] / replays:.1f}"]
    shares = ["named", "false", "ahead", "equal ahead", "old trainings", "old named", "old false"]
    found += [
        f"{tally[name] / replays:.1f}" if name == "old trainings" else f"{tally[name] / replays:.1%}" for name in shares
    ]
    covers = [f"{tally[f'{what} covered'] / tally[what]:.1%}" for what in ("means", "differences")]
    return [*given, *found, *covers]


if __name__ == "__main__":
    main()
