"""Whether other features order models as FMD does: `python tests/benchmarks/agreement.py RUN [RUN ...] [--out DIR]`.

Each trial of the runs that kept its checkpoint of the full budget draws 2,048 samples, which are scored against the
confirm images by the metric's classifier (at both of its layers), by the two other networks of the data set, by its
pixels (14 x 14 means) and by KID. The mean of the logarithms of FMD and of the distance by labels stands beside them.
Kendall's tau of each pair of orders is printed with a 95 % interval (2,000 bootstrap draws of models), over the models
of each run alone, so that all have seen as many images, and then over the 15 of them that are best by FMD.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import kendalltau
from side_by_side import heading, keep, machine, show

from analysis.run.run import Run
from analysis.run.storage import Folder
from search.winner.models import load_images
from trainables.config import Variant
from trainables.evaluation import SAMPLES, sample
from trainables.metric.checks import OTHER_LAYER, other_weights
from trainables.metric.classifier import features
from trainables.metric.fmd import Reference
from trainables.metric.frechet import Statistics, frechet_distance
from trainables.metric.sample_checks import kernel_distance
from trainables.trial import Plan, Trial, TrialData

NOISE, DRAWS, BEST = 77, 2_000, 15
Row = dict[str, Any]


def measured(asked: tuple[str, str]) -> Row | None:
    """Return the distances of a trial of a run by name; None without a model of the full budget."""
    torch.set_num_threads(1)
    run = Run.open(asked[0])
    settings, start = run.begun_settings()["settings"], run.starts()[asked[1]]
    images = load_images(run, None)
    reference = Reference.build(images, "confirm", SAMPLES)
    plan = Plan(tuple(settings["rungs"]), settings["seed"], "cpu")
    variant = Variant.from_flat(start.variant)
    trial = Trial(start.trial, variant, start.seed, plan, TrialData(images, reference), Folder(run.uri))
    drawn = sample(trial, SAMPLES, NOISE)
    if drawn is None or trial.trainer.images_seen < settings["rungs"][-1]:
        return None
    samples = drawn[0]
    mean = Reference.build(images, "confirm", SAMPLES, "spatial_mean")
    held_out = images.confirm[np.random.default_rng(0).permutation(len(images.confirm))[:SAMPLES]]
    flat = [features(trial.classifier, of) for of in (samples, held_out)]
    row = {
        "run": run.name,
        "trial": start.trial,
        "FMD": reference.score(samples, trial.classifier, flat[0]).fmd,
        "FMD, spatial mean": mean.score(samples, trial.classifier).fmd,
        "KID": kernel_distance(*flat)[0],
        "pixels": frechet_distance(_pixels(samples), _pixels(torch.from_numpy(images.confirm))),
    }
    for task, weights in other_weights(images).items():
        other = Reference.build(images, "confirm", SAMPLES, OTHER_LAYER, weights)
        row[task] = other.score(samples, other.classifier()).fmd
    return row


def _pixels(images: torch.Tensor) -> Statistics:
    small = torch.nn.functional.avg_pool2d(images.float() / 255, 2).flatten(1)
    return Statistics.from_features(small.numpy())


def tau(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    """Return Kendall's tau of two columns with its bootstrap interval, as text."""
    rng = np.random.default_rng(0)
    draws = [kendalltau(x[rows], y[rows]).statistic for rows in rng.integers(len(x), size=(DRAWS, len(x)))]
    low, high = np.nanquantile(draws, (0.025, 0.975))
    return f"{kendalltau(x, y).statistic:.2f} ({low:.2f} to {high:.2f})"


def main() -> None:
    """Measure the models of the runs and print how far the orders agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--out", type=Path, help="folder for agreement.parquet, a row a model")
    given = parser.parse_args()
    facts = machine(())
    heading(facts)
    asked = [(uri, name) for uri in given.runs for name in Run.open(uri).starts()]
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), multiprocessing.get_context("spawn")) as pool:
        rows = [row for row in pool.map(measured, asked) if row is not None]
    keep(given.out, "agreement", rows, facts)
    for name, of_run in itertools.groupby(rows, lambda row: row["run"]):
        models = list(of_run)
        spaces = [column for column in models[0] if column not in ("run", "trial")]
        models.sort(key=lambda row: row["FMD"])
        cells = [[row["trial"], *(f"{row[space]:.4g}" for space in spaces)] for row in models]
        show(f"{name}: {len(models)} models", ("trial", *spaces), cells)
        columns = {space: np.array([row[space] for row in models]) for space in spaces}
        columns["FMD and labels"] = np.log(columns["FMD"]) + np.log(columns["labels"])
        for count in (len(models), BEST):
            cells = [[one, *(tau(columns[one][:count], columns[other][:count]) for other in spaces)] for one in columns]
            show(f"{name}: Kendall's tau, the {count} best by FMD", ("", *spaces), cells)


if __name__ == "__main__":
    main()
