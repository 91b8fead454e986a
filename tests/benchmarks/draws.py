"""How many sets of 256 samples tell models apart: `python tests/benchmarks/draws.py RUN`.

Each trial of a run, but for baselines, that kept its checkpoint of the full budget draws eight sets of 256 samples,
scored as a search does, and two of 2,048, scored against the confirm images as a confirmation does. For the mean over
1, 2, 4 and 8 sets the table has Kendall's tau with the mean of the large ones, and how much worse than the best the
model is that the sets put first, both averaged over the ways to take so many of the eight in a row. The best models
alone, by the large sets, are those that a search has to tell apart. Source of `search.settings.DRAWS`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import torch
from scipy.stats import kendalltau
from side_by_side import heading, machine, show

from analysis.run.run import Run
from analysis.run.storage import Folder
from search.winner.models import load_images
from trainables.config import Variant
from trainables.evaluation import SAMPLES, sample
from trainables.metric.fmd import Reference
from trainables.trial import Plan, Trial, TrialData

SETS, LARGE_SEEDS = 8, (77, 78)


def measured(uri: str, name: str) -> tuple[float, list[float]] | None:
    """Return the mean FMD of the large sets, and those of the small ones; None without a model of the full budget."""
    torch.set_num_threads(1)
    run = Run.open(uri)
    settings, start = run.begun_settings()["settings"], run.starts()[name]
    images = load_images(run, None)
    small, large = Reference.build(images), Reference.build(images, "confirm", SAMPLES)
    plan = Plan(tuple(settings["rungs"]), settings["seed"], "cpu")
    trial = Trial(name, Variant.from_flat(start.variant), start.seed, plan, TrialData(images, small), Folder(run.uri))

    def fmd(reference: Reference, seed: int) -> float | None:
        drawn = sample(trial, reference.n, seed)
        return None if drawn is None else reference.score(drawn[0], trial.classifier).fmd

    values = [fmd(large, seed) for seed in LARGE_SEEDS] + [fmd(small, seed) for seed in range(SETS)]
    known = [value for value in values if value is not None]
    if len(known) < len(values) or trial.trainer.images_seen < plan.rungs[-1]:
        return None
    return float(np.mean(known[:2])), known[2:]


def main() -> None:
    """Measure the models of a run and print how well so many sets of samples order them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN")
    given = parser.parse_args()
    heading(machine(()))
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), multiprocessing.get_context("spawn")) as pool:
        searched = [name for name, start in Run.open(given.run).starts().items() if not start.baseline]
        found = pool.map(partial(measured, given.run), searched)
        models = sorted(one for one in found if one is not None)
    cells = []
    for best in (len(models), 15, 10):
        truth = np.log([large for large, _ in models[:best]])
        logs = np.log([small for _, small in models[:best]])
        for sets in (1, 2, 4, 8):
            means = [logs[:, first : first + sets].mean(axis=1) for first in range(0, SETS, sets)]
            tau = np.mean([kendalltau(truth, mean).statistic for mean in means])
            worse = np.mean([np.exp(truth[mean.argmin()] - truth[0]) - 1 for mean in means])
            cells.append([str(best), str(sets), f"{tau:.2f}", f"{worse:.1%}"])
    show(given.run, ("best models", "sets", "tau", "the first is worse by"), cells)


if __name__ == "__main__":
    main()
