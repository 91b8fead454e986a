"""The Frechet distance side by side, features given: ours, torchmetrics', scipy's matrix root, pytorch-fid's.

    python tests/benchmarks/distance_speed.py [--rounds 5] [--parts 1024 64] [--out DIR]

Features of real MNIST digits, degraded a little on the side that stands for generated ones, against 5,000 real digits
whose statistics every contender has at hand. A time starts at the features and ends at the number; milliseconds of CPU
of one thread, interleaved, medians. scipy and pytorch-fid take seconds at 1,024 features, so they have a third of the
rounds. Three minutes.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.linalg
import torch
from side_by_side import (
    Rounds,
    heading,
    interleaved,
    keep,
    machine,
    raw,
    show,
    spread,
    verdict,
    with_one_thread,
)
from torchmetrics.image.fid import _compute_fid

from trainables.data.load import load
from trainables.metric.classifier import WIDTHS, features, load_weights
from trainables.metric.feature_network import Layer
from trainables.metric.frechet import Statistics, frechet_distance

PACKAGES = ("scipy", "torchmetrics", "pytorch-fid")
SIZES = (256, 512, 2048, 10_000)
REAL = 5000
OURS, TORCHMETRICS, SCIPY, FID = "ours", "torchmetrics", "scipy.linalg.sqrtm", "pytorch-fid"
TARGETS = {TORCHMETRICS: 3.0, SCIPY: 20.0}  # times as fast, at 1,024 features
Distance = Callable[[np.ndarray], float]


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean (d,) and the unbiased covariance (d, d) of features (n, d), float64, as all compute them."""
    return x.mean(0, dtype=np.float64), np.cov(x, rowvar=False, dtype=np.float64)


def contenders(real: np.ndarray) -> dict[str, Distance]:
    """Return the distance of features (n, d) to `real` (m, d) in each way."""
    from pytorch_fid.fid_score import calculate_frechet_distance

    ours = Statistics.from_features(real)
    mean, covariance = moments(real)
    mean_t, covariance_t = torch.from_numpy(mean), torch.from_numpy(covariance)

    def by_torchmetrics(x: np.ndarray) -> float:
        return float(_compute_fid(*map(torch.from_numpy, moments(x)), mean_t, covariance_t))

    def by_scipy(x: np.ndarray) -> float:
        mu, sigma = moments(x)
        root = np.trace(scipy.linalg.sqrtm(sigma @ covariance)).real
        return float(np.square(mu - mean).sum() + np.trace(sigma) + np.trace(covariance) - 2 * root)

    def by_fid(x: np.ndarray) -> float:
        return float(calculate_frechet_distance(*moments(x), mean, covariance))

    return {
        OURS: lambda x: frechet_distance(Statistics.from_features(x), ours),
        TORCHMETRICS: by_torchmetrics,
        SCIPY: by_scipy,
        FID: by_fid,
    }


def sides(layer: Layer) -> tuple[np.ndarray, np.ndarray]:
    """Return features float32 of 10,000 slightly noisy digits and of 5,000 real ones."""
    images, classifier = load("mnist"), load_weights().classifier()
    noise = np.random.default_rng(0).normal(0, 15, (max(SIZES), *images.shape))
    noisy = np.clip(images.train[: max(SIZES)] + noise, 0, 255).astype(np.uint8)
    return features(classifier, noisy, layer), features(classifier, images.search[:REAL], layer)


def compare(layer: Layer, rounds: int) -> tuple[list[dict[str, object]], list[tuple[str, ...]], list[str]]:
    """Return the rounds, the table's rows and the verdicts of one layer."""
    generated, real = sides(layer)
    distances = contenders(real)
    kept: list[dict[str, object]] = []
    rows, verdicts = [], []
    for n in SIZES:
        x = generated[:n]
        values = {name: distance(x) for name, distance in distances.items()}
        spent = measure(distances, x, rounds)
        kept += [row | {"d": real.shape[1], "n": n} for row in raw(layer, spent)]
        rows += table_rows(n, spent, values)
        verdicts += judged(real.shape[1], n, spent, values)
    return kept, rows, verdicts


def measure(distances: dict[str, Distance], x: np.ndarray, rounds: int) -> Rounds:
    """Return the rounds of all contenders; the slow ones have fewer."""

    def works(names: tuple[str, ...]) -> dict[str, Callable[[], int]]:
        def work(name: str) -> Callable[[], int]:
            return lambda: int(np.isfinite(distances[name](x)))

        return {name: work(name) for name in names}

    slow = rounds if x.shape[1] < 100 else max(1, rounds // 3)
    fast = interleaved(works((OURS, TORCHMETRICS)), rounds, warm_up=1)
    return fast | interleaved(works((SCIPY, FID)), slow, warm_up=0)


def seconds(spent: Rounds, name: str) -> float:
    """Return the median CPU-seconds."""
    return statistics.median(one.cpu for one in spent[name])


def table_rows(n: int, spent: Rounds, values: dict[str, float]) -> list[tuple[str, ...]]:
    """Return a row a contender: milliseconds, how many times ours that is, the value and how far from ours it is."""
    return [
        (
            f"{n:,}, {name}",
            spread([1000 * one.cpu for one in all_spent], 1),
            f"{seconds(spent, name) / seconds(spent, OURS):.1f}",
            f"{values[name]:.6f}",
            f"{abs(values[name] / values[OURS] - 1):.1e}",
        )
        for name, all_spent in spent.items()
    ]


def judged(d: int, n: int, spent: Rounds, values: dict[str, float]) -> list[str]:
    """Return the verdicts: speed at 1,024 features, agreement everywhere."""
    lines = []
    if d == WIDTHS["flat"]:
        for name, target in TARGETS.items():
            lines.append(verdict(f"{name} / {OURS}, d={d}, n={n}", seconds(spent, name) / seconds(spent, OURS), target))
    apart = max(abs(value / values[OURS] - 1) for value in values.values())
    return [*lines, verdict(f"farthest apart, d={d}, n={n}", apart, 1e-6 if n > d else 1e-5, least=False)]


def main() -> None:
    layers = {str(width): layer for layer, width in WIDTHS.items()}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--parts", nargs="+", choices=tuple(layers), default=("1024", "64"), help="numbers of features")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write every round to DIR/distance_speed.parquet")
    given = parser.parse_args()
    with_one_thread()
    facts = machine(PACKAGES)
    heading(facts)
    rows: list[dict[str, object]] = []
    for width in given.parts:
        kept, lines, verdicts = compare(layers[width], given.rounds)
        rows += kept
        show(f"{width} features against those of {REAL:,} digits", ("n", "CPU-ms", "times", "distance", "apart"), lines)
        print(*verdicts, sep="\n")
    keep(given.out, "distance_speed", rows, facts)


if __name__ == "__main__":
    main()
