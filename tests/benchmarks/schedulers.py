"""Replays recorded trials through every scheduler: images and time until one of the best 5 % is trained in full.

    python tests/benchmarks/schedulers.py [--replays 200] [--slots 1 2 8 64] [--curves FILE]
    python tests/benchmarks/schedulers.py --record RUN     # keep a run's curves in FILE

The curves are of a run that stopped nothing, with variants drawn at random:

    python search/run.py --space tests/benchmarks/random_degradations.py --scheduler none --sampler random \\
      --grace-images 4000 --trials 400 --time-budget 9000 --confirm 0

A replay is a random order of the recorded trials, the same for all schedulers, begun anew where it ends. A search has
found what it is for when a trial among the best 5 % by its value at the full budget has been trained to it. `iepoch`
needs to know beforehand how many trials it may have: for it, the smallest number is given that finds one in half (nine
tenths) of the replays, with all that it spends; the others are stopped at the find, which no search is told of. Nothing
learns here: a sampler that does starts from better trials than these.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table
from simulator import Curve, Moment, simulate

from analysis.run.run import Run
from search.schedulers import SCHEDULERS, IEpoch, Scheduler

CURVES = Path(__file__).with_name("curves.parquet")
KEPT = ("trial", "images_seen", "fmd", "diverged", "train_seconds")
BEST = 0.05
ROUNDS = 4  # orders of all trials, one after the other, after which a search counts as having failed
Spent = tuple[float, float]  # images, seconds


def record(run: Run, path: Path) -> None:
    """Keep the curves of the trials that were trained in full, with their kind and the seconds to each rung."""
    table = run.curves()
    kinds = dict(zip(*(run.trials()[name].to_pylist() for name in ("trial", "degradation/kind")), strict=True))
    full = max(table["images_seen"].to_pylist())
    rows = table.to_pylist()
    complete = {row["trial"] for row in rows if row["images_seen"] == full or row["diverged"]}
    rows = [row for row in rows if row["trial"] in complete]
    scoring = [sum(row[f"{part}_seconds"] for part in ("setup", "sample", "score")) for row in rows]
    columns = {name: [row[name] for row in rows] for name in KEPT}
    columns |= {"scoring_seconds": scoring, "kind": [kinds[row["trial"]] for row in rows]}
    pq.write_table(pa.table(columns), path, compression="zstd")


def load(path: Path, rungs: Sequence[int]) -> list[Curve]:
    """Return the recorded curves at these rungs."""
    rows = pq.read_table(path).to_pylist()
    trials: dict[str, list[dict[str, float]]] = {}
    for row in sorted(rows, key=lambda row: row["images_seen"]):
        trials.setdefault(row["trial"], []).append(row)
    return [_curve(reports, rungs) for reports in trials.values()]


def _curve(reports: Sequence[dict[str, float]], rungs: Sequence[int]) -> Curve:
    spent, fmd, seconds = 0.0, [math.inf] * len(rungs), [0.0] * len(rungs)
    for report in reports:
        spent += report["train_seconds"]
        if report["images_seen"] in rungs:
            spent += report["scoring_seconds"]  # at the rungs left out nothing would have been sampled
            at = list(rungs).index(int(report["images_seen"]))
            fmd[at] = math.inf if report["diverged"] else report["fmd"]
            seconds[at], spent = spent, 0.0
    return Curve(tuple(fmd), tuple(seconds))


def best_of(curves: Sequence[Curve]) -> set[int]:
    """Return the indices of the best 5 % at the full budget."""
    ordered = sorted(range(len(curves)), key=lambda i: curves[i].fmd[-1])
    return set(ordered[: math.ceil(BEST * len(curves))])


def orders(curves: Sequence[Curve], replays: int) -> list[np.ndarray]:
    """Return for each replay the trials in their order."""
    rng = np.random.default_rng(0)
    return [np.concatenate([rng.permutation(len(curves)) for _ in range(ROUNDS)]) for _ in range(replays)]


def until_found(scheduler: Scheduler, curves: Sequence[Curve], order: np.ndarray, slots: int) -> Spent:
    """Return what a search spends until it has one of the best 5 %, infinite where it never has."""
    best = best_of(curves)
    for moment in simulate(scheduler, [curves[i] for i in order], slots):
        if _complete(moment, curves) and order[moment.trial] in best:
            return moment.images, moment.seconds
    return math.inf, math.inf


def _complete(moment: Moment, curves: Sequence[Curve]) -> bool:
    return moment.rung == len(curves[0].fmd) - 1 and math.isfinite(moment.fmd)


def iepoch_with(count: int, rungs: tuple[int, ...], curves: Sequence[Curve], order: np.ndarray, slots: int) -> Spent:
    """Return what i-Epoch spends on the first `count` trials, infinite where it does not find one of the best 5 %."""
    best, found, last = best_of(curves), False, (0.0, 0.0)
    for moment in simulate(IEpoch(rungs, 3), [curves[i] for i in order[:count]], slots):
        last = (moment.images, moment.seconds)
        found |= _complete(moment, curves) and order[moment.trial] in best
    return last if found else (math.inf, math.inf)


def quantiles(spent: Sequence[Spent]) -> list[float]:
    """Return images at 10, 50 and 90 % of the replays, and seconds at 50 and 90 %."""
    images, seconds = (np.array(part) for part in zip(*spent, strict=True))
    return [*np.quantile(images, (0.1, 0.5, 0.9), method="higher"), *np.quantile(seconds, (0.5, 0.9), method="higher")]


def iepoch(rungs: tuple[int, ...], curves: Sequence[Curve], replays: Sequence[np.ndarray], slots: int) -> list[float]:
    """Return the same of i-Epoch, each share of replays with the number of trials that it takes."""
    counts = sorted({round(3 * 1.15**k) for k in range(40) if 3 * 1.15**k <= ROUNDS * len(curves)})
    tried = {count: [iepoch_with(count, rungs, curves, order, slots) for order in replays] for count in counts}
    found = {count: [spent for spent in all_spent if math.isfinite(spent[0])] for count, all_spent in tried.items()}

    def least(share: float) -> tuple[float, float]:
        enough = (spent for spent in found.values() if len(spent) >= share * len(replays))
        images, seconds = zip(*next(enough, [(math.inf, math.inf)]), strict=True)
        return float(np.median(images)), float(np.median(seconds))

    shares = [least(share) for share in (0.1, 0.5, 0.9)]
    return [*(images for images, _ in shares), *(seconds for _, seconds in shares[1:])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replays", type=int, default=200)
    parser.add_argument("--slots", type=int, nargs="+", default=[1, 2, 8, 64])
    parser.add_argument("--curves", type=Path, default=CURVES)
    parser.add_argument("--record", metavar="RUN")
    given = parser.parse_args()
    if given.record:
        record(Run.open(given.record), given.curves)
    for slots in given.slots:
        Console(width=140).print(compare(given.curves, given.replays, slots))


def compare(path: Path, replays: int, slots: int) -> Table:
    """Return the table of all schedulers at so many slots."""
    recorded = sorted(set(pq.read_table(path)["images_seen"].to_pylist()))
    curves = load(path, recorded)
    table = Table(title=f"{slots} slots, {len(curves)} recorded trials, {replays} replays")
    for name in ("scheduler", "rungs", "images, median", "10-90 %", "of random", "minutes, median", "90 %"):
        table.add_column(name, justify="left" if name in ("scheduler", "rungs") else "right")
    random: list[float] = []
    for kind in ("none", "asha-stopping", "asha", "hyperband", "iepoch"):
        ladders = [recorded[-1:]] if kind == "none" else [recorded[i:] for i in range(len(recorded) - 1)]
        for rungs in map(tuple, ladders):
            shown = load(path, rungs)
            played = orders(shown, replays)
            if kind == "iepoch":
                spent = iepoch(rungs, shown, played, slots)
            else:
                spent = quantiles([until_found(SCHEDULERS[kind](rungs, 3), shown, order, slots) for order in played])
            random = random or spent
            table.add_row(kind if kind != "none" else "random, all in full", *_cells(rungs, spent, random))
    return table


def _cells(rungs: Sequence[int], spent: Sequence[float], random: Sequence[float]) -> list[str]:
    low, median, high = (f"{images / 1e6:.2f} M" for images in spent[:3])
    minutes = (f"{seconds / 60:.0f}" for seconds in spent[3:])
    share = f"{spent[1] / random[1]:.2f}, {spent[2] / random[2]:.2f}"
    return [", ".join(f"{rung / 1000:g}k" for rung in rungs), median, f"{low} - {high}", share, *minutes]


if __name__ == "__main__":
    main()
