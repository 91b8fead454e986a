"""Simulates confirmations with a known truth: is the best found, and do the intervals cover what they claim?

    python tests/benchmarks/confirmation.py [--replays 2000]

Contenders have true FMDs a few per cent apart and training seeds that scatter by 1 to 3 %, each by a spread of its own.
Beside the race: as many trainings in all, shared out equally.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from analysis.statistics.confidence import BORROWED, estimates, next_round

SPREADS = (0.01, 0.03)
GAPS = (0.0, 0.01, 0.02, 0.04)  # between neighbours, in logs
Draw = Callable[[int, int], float]


@dataclass
class Tally:
    """Counts over replays."""

    raced: int = 0
    repeated: int = 0
    trainings: int = 0
    covered: int = 0
    covered_chosen: int = 0
    intervals: int = 0


def race(contenders: int, draw: Draw, seeds: int) -> dict[str, list[float]]:
    """Return the FMDs of a race; `draw` gives that of a contender's training."""
    fmds: dict[str, list[float]] = {str(i): [] for i in range(contenders)}
    while wanted := next_round(fmds, seeds):
        for name, count in wanted.items():
            fmds[name] += [draw(int(name), repeat) for repeat in range(len(fmds[name]), count)]
    return fmds


def replay(tally: Tally, rng: np.random.Generator, contenders: int, gap: float, seeds: int) -> None:
    """Race once, and repeat equally once, on the same trainings."""
    truth = rng.permutation(contenders) * gap
    spread = rng.uniform(*SPREADS, contenders)
    table = np.exp(
        np.log(30) + truth[:, None] + spread[:, None] * rng.standard_normal((contenders, seeds * contenders))
    )
    fmds = race(contenders, lambda which, repeat: float(table[which, repeat]), seeds)
    estimated = estimates(fmds)
    best = int(truth.argmin())
    spent = sum(map(len, fmds.values()))
    tally.trainings += spent
    chosen = min(estimated, key=lambda name: estimated[name].mean)
    tally.raced += int(chosen) == best
    share = [spent // contenders + (i < spent % contenders) for i in rng.permutation(contenders)]
    tally.repeated += int(np.argmin([np.log(table[i, :n]).mean() for i, n in enumerate(share)])) == best
    for name, estimate in estimated.items():
        _, low, high = estimate.interval()
        covers = bool(low <= 30 * np.exp(truth[int(name)]) <= high)
        tally.covered += covers
        tally.covered_chosen += covers and name == chosen
        tally.intervals += 1


def simulate(replays: int, contenders: int, gap: float, seeds: int) -> Tally:
    """Return the tally of so many replays."""
    tally, rng = Tally(), np.random.default_rng(0)
    for _ in range(replays):
        replay(tally, rng, contenders, gap, seeds)
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replays", type=int, default=2000)
    replays = parser.parse_args().replays
    table = Table(title=f"{replays:,} replays, spreads 1-3 %, {BORROWED:g} degrees of freedom borrowed")
    for name in (
        "contenders",
        "gap",
        "seeds at most",
        "trainings",
        "race finds the best",
        "equal repeats do",
        "covered",
        "chosen covered",
    ):
        table.add_column(name, justify="right")
    for contenders in (4, 6):
        for gap in GAPS:
            for seeds in (4, 8):
                tally = simulate(replays, contenders, gap, seeds)
                shares = [n / replays for n in (tally.raced, tally.repeated)]
                shares += [tally.covered / tally.intervals, tally.covered_chosen / replays]
                mean = f"{tally.trainings / replays:.1f}"
                texts = (f"{100 * share:.1f} %" for share in shares)
                table.add_row(str(contenders), f"{100 * gap:g} %", str(seeds), mean, *texts)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
