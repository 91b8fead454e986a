"""What choosing the guidance after training does: `python tests/benchmarks/guidance.py RUN [--images N] [--seeds N]`.

The best configurations of a search that know classes, as a confirmation takes them, are trained anew with fresh seeds.
Each model is sampled with its own guidance and with those that `--tune-guidance` tries, and scored against the search's
images, by which the guidance is chosen with the first seed, and with other noise against the confirm images, which
judge it. The tables have FMD on the confirm images with the own guidance, with the chosen one and with the one that is
best there, what so many samples would have chosen, and CPU-seconds. Source of `trainables.report.GUIDANCES`.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from side_by_side import heading, keep, machine, show, with_one_thread

from analysis.run.run import Run
from search.confirmation.contenders import contenders
from search.winner.models import load_images
from trainables.config import Variant
from trainables.diffusion.generation import generate, sampling_source
from trainables.metric.fmd import Reference
from trainables.report import GUIDANCES
from trainables.training.trainer import Trainer

JUDGING, CHOOSING = 2_048, (256, 512, 1_024, 2_048)
NOISE = 1_000
Row = dict[str, Any]


def measured(uri: str, name: str, images_seen: int, seed: int) -> list[Row]:
    """Return a row for each guidance of one training: FMD on the confirm images, and on the search's for each n."""
    torch.set_num_threads(1)
    run = Run.open(uri)
    images, variant = load_images(run), Variant.from_flat(dict(run.starts()[name].variant))
    train, overlays = torch.from_numpy(images.train), torch.from_numpy(images.overlays_train)
    began = time.process_time()
    trainer = Trainer(variant, seed, train, overlays, images_seen, images.groups, images.train_labels)
    trainer.run_to(images_seen)
    trained = time.process_time() - began
    judge = Reference.build(images, "confirm", JUDGING)
    by = {n: Reference.build(images, "search", n) for n in CHOOSING}
    classifier, source = judge.classifier(), sampling_source(trainer.source, torch.from_numpy(images.overlays_sample))
    own, rows = variant.sampler, []
    for guidance in dict.fromkeys((own.guidance, *GUIDANCES)):
        sampling = replace(own, guidance=guidance)
        noises = (NOISE + seed, 2 * NOISE + seed)
        judged = generate(trainer.averaged(), sampling, JUDGING, images.shape, source, noises[0])
        began = time.process_time()
        samples = generate(trainer.averaged(), sampling, JUDGING, images.shape, source, noises[1])
        fmds = {f"search {n}": reference.score(samples[:n], classifier).fmd for n, reference in by.items()}
        row = {"trial": name, "seed": seed, "guidance": guidance, "own": own.guidance, **fmds}
        row |= {"confirm": judge.score(judged, classifier).fmd, "train_seconds": trained}
        rows.append(row | {"seconds": time.process_time() - began})
    return rows


def chosen(rows: list[Row], column: str) -> float:
    """Return the guidance with the lowest FMD in a column, with the first seed."""
    return float(min((row for row in rows if row["seed"] == 0), key=lambda row: row[column])["guidance"])


def fmds(rows: list[Row], guidance: float) -> np.ndarray:
    """Return the FMD on the confirm images with a guidance, by seed."""
    return np.array([row["confirm"] for row in rows if row["guidance"] == guidance])


def mean(values: np.ndarray) -> float:
    """Return the geometric mean."""
    return float(np.exp(np.log(values).mean()))


def main() -> None:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("--images", type=int, default=36_000)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--contenders", type=int, default=8)
    parser.add_argument("--out", type=Path, metavar="DIR", help="write every sampling to DIR/guidance.parquet")
    given = parser.parse_args()
    with_one_thread()
    facts = machine()
    heading(facts)
    run = Run.open(given.run)
    ranked = contenders(run, 2 * given.contenders, run.begun_settings()["settings"]["rungs"][-1])
    classes = [start.trial for start in ranked if start.variant["network/conditioning"] == "class"]
    names = classes[: given.contenders]
    asked = [(given.run, name, given.images, seed) for seed, name in itertools.product(range(given.seeds), names)]
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), multiprocessing.get_context("spawn")) as pool:
        rows = [row for part in pool.map(measured, *zip(*asked, strict=True)) for row in part]
    keep(given.out, "guidance", rows, facts)
    of = {name: [row for row in rows if row["trial"] == name] for name in names}
    title = f"{given.images:,} images, FMD of {JUDGING:,} samples on the confirm images, by seed"
    columns = ("trial", "own guidance", "FMD", "chosen", "FMD", "the best there", "FMD")
    show(title, columns, [cells(name, of[name]) for name in names])
    show(
        "chosen by so many samples",
        ("n", "mean FMD", "over own guidance", "over the best there", "order by own and by chosen", "CPU-seconds"),
        [by_samples(n, of) for n in CHOOSING],
    )


def cells(name: str, rows: list[Row]) -> tuple[str, ...]:
    """Return what one configuration came to."""
    guidances = (rows[0]["own"], chosen(rows, f"search {CHOOSING[0]}"), best(rows))
    texts = [(f"{guidance:.2g}", ", ".join(f"{fmd:.1f}" for fmd in fmds(rows, guidance))) for guidance in guidances]
    return (name, *itertools.chain.from_iterable(texts))


def best(rows: list[Row]) -> float:
    """Return the guidance with the lowest mean FMD on the confirm images."""
    return float(min({row["guidance"] for row in rows}, key=lambda guidance: mean(fmds(rows, guidance))))


def by_samples(n: int, of: dict[str, list[Row]]) -> tuple[str, ...]:
    """Return what the choice by n samples comes to, over all configurations."""
    own, now, there = (
        {name: mean(fmds(rows, pick(rows))) for name, rows in of.items()}
        for pick in (lambda rows: rows[0]["own"], lambda rows: chosen(rows, f"search {n}"), best)
    )
    orders = [", ".join(name[:3] for name in sorted(fmd, key=fmd.__getitem__)) for fmd in (own, now)]
    ratios = [mean(np.array([now[name] / other[name] for name in of])) for other in (own, there)]
    seconds = np.mean([sum(row["seconds"] for row in rows if row["seed"] == 0) for rows in of.values()])
    return (
        str(n),
        f"{mean(np.array(list(now.values()))):.2f}",
        *(f"{ratio:.3f}" for ratio in ratios),
        "; ".join(orders),
        f"{n / JUDGING * seconds:.0f}",
    )


if __name__ == "__main__":
    main()
