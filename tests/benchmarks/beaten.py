"""How often does a trial that is far behind at a rung end ahead? By the curves that schedulers.py recorded.

    python tests/benchmarks/beaten.py

Of each pair of recorded trials of which one has so many times the FMD of the other at a rung, the share that ended in
the other order. A confirmation leaves out what is `BEATEN` times as bad (search/confirmation/contenders.py).
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from pathlib import Path

import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

CURVES = Path(__file__).with_name("curves.parquet")
FACTORS = (1.25, 1.5, 2.0, 3.0)
Curve = dict[int, float]
"""FMD by images seen, infinite where the trial diverged"""


def curves() -> list[Curve]:
    """Return the recorded curves that reach the full budget."""
    found: dict[str, Curve] = defaultdict(dict)
    for row in pq.read_table(CURVES).to_pylist():
        found[row["trial"]][row["images_seen"]] = math.inf if row["diverged"] else row["fmd"]
    full = max(max(curve) for curve in found.values())
    return [curve for curve in found.values() if full in curve]


def reversals(recorded: list[Curve], rung: int, factor: float) -> tuple[int, int]:
    """Return how many pairs are so far apart at a rung, and how many of them end in the other order."""
    full = max(recorded[0])
    apart = [(a, b) for a, b in itertools.permutations(recorded, 2) if a[rung] >= factor * b[rung]]
    return len(apart), sum(a[full] < b[full] for a, b in apart)


def main() -> None:
    recorded = curves()
    table = Table(title=f"{len(recorded)} recorded trials: pairs so far apart at a rung that end in the other order")
    for name in ("images", *(f"{factor:g} times" for factor in FACTORS)):
        table.add_column(name, justify="right")
    for rung in sorted(recorded[0])[:-1]:
        counts = [reversals(recorded, rung, factor) for factor in FACTORS]
        texts = (f"{reversed_:,} of {pairs:,}, {reversed_ / pairs:.1%}" for pairs, reversed_ in counts)
        table.add_row(f"{rung:,}", *texts)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
