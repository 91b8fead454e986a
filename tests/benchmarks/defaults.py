"""What the defaults were chosen by: FMD after the same images, one field at a time beside the default.

    python tests/benchmarks/defaults.py [--images 36000] [--seeds 3] [--fields training/lr ...] [--set FIELD=VALUE ...]

As many trainings at a time as there are cores, one thread each, then 2,048 samples against the search's real images;
FMD of a field's value over that of the default is the geometric mean over seeds, which fix weights, batches and noise.
Then the sampler's steps on the default's own weights: FMD, network calls, and CPU-seconds for a rung's 256 images. A
quarter of an hour on two cores. n at a rung was chosen by feature_choice.py, the rungs by schedulers.py.
"""

from __future__ import annotations

import argparse
import itertools
import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from side_by_side import heading, keep, machine, show, with_one_thread

from trainables.config import Flat, Sampling, Variant, domain_of
from trainables.data.load import load
from trainables.diffusion.generation import generate, sampling_source
from trainables.diffusion.samplers import nfe, strided
from trainables.metric.fmd import Reference
from trainables.training.trainer import Trainer

SHAPE, N, AT_A_RUNG = (1, 28, 28), 2048, 256
FIELDS: dict[str, tuple[Any, ...]] = {
    "training/lr": (1e-3, 2e-3, 8e-3),
    "training/batch": (32, 128, 256),
    "training/ema": (0.0, 0.99, 0.9995),
    "training/warmup": (0, 500),
    "training/lr_decay": ("cosine",),
    "network/cnn/patch": (1,),
}
STEPS_FIELD = "sampler/steps"
STEPS = (5, 10, 20, 50, 100, 250)


def trained(flat: Flat, seed: int, count: int) -> tuple[Trainer, float]:
    """Return a trainer that has seen so many images, and the CPU-seconds that it took."""
    torch.set_num_threads(1)
    images = load("mnist")
    train, overlays = torch.from_numpy(images.train), torch.from_numpy(images.overlays_train)
    one = Trainer(Variant.from_flat(flat), seed, train, overlays, total=count, labels=images.train_labels)
    began = time.process_time()
    one.run_to(count)
    return one, time.process_time() - began


def samples(one: Trainer, sampling: Sampling, n: int) -> torch.Tensor:
    """Return n samples by the averaged weights, uint8 (n, 1, 28, 28)."""
    unseen = torch.from_numpy(load("mnist").overlays_sample)
    return generate(one.averaged(), sampling, n, SHAPE, sampling_source(one.source, unseen), 0)


def scored(flat: Flat, seed: int, count: int, steps_too: bool) -> dict[str, Any]:
    """Return what one training came to, with a score for each of STEPS if that is asked for."""
    (one, seconds), reference = trained(flat, seed, count), Reference.build(load("mnist"), n=N)
    classifier, default = reference.classifier(), Variant.from_flat(flat).sampler
    fmd = reference.score(samples(one, default, N), classifier).fmd
    row = {"flat": str(flat), "seed": seed, "seconds": seconds, "fmd": fmd}
    for steps in STEPS if steps_too else ():
        began = time.process_time()
        samples(one, Sampling(default.kind, steps), AT_A_RUNG)
        row |= {f"seconds {steps}": time.process_time() - began}
        row |= {f"fmd {steps}": reference.score(samples(one, Sampling(default.kind, steps), N), classifier).fmd}
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=36_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--fields", nargs="+", choices=[*FIELDS, STEPS_FIELD], default=[*FIELDS, STEPS_FIELD])
    parser.add_argument("--out", type=Path, metavar="DIR", help="write every training to DIR/defaults.parquet")
    parser.add_argument("--set", nargs="+", default=[], metavar="FIELD=VALUE", help="the same in all trainings")
    given = parser.parse_args()
    with_one_thread()
    facts = machine()
    heading(facts)
    base: Flat = {
        name: domain_of(name).parse(name, text) for name, _, text in (one.partition("=") for one in given.set)
    }
    variants: list[Flat] = [base, *({**base, name: value} for name in given.fields for value in FIELDS.get(name, ()))]
    for flat in variants:
        Variant.from_flat(flat)  # refuses what cannot be, before the trainings and not after
    steps_too = STEPS_FIELD in given.fields
    asked = [
        (flat, seed, given.images, steps_too and flat == base)
        for seed, flat in itertools.product(range(given.seeds), variants)
    ]
    cores = len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        rows = list(pool.map(scored, *zip(*asked, strict=True)))
    keep(given.out, "defaults", rows, facts)
    of = {str(flat): [row for row in rows if row["flat"] == str(flat)] for flat in variants}
    title = f"{given.images:,} images, {given.seeds} seeds, n = {N:,}"
    show(title, ("", "CPU-seconds", "FMD", "over the default"), by_variant(variants, of))
    if steps_too:
        columns = ("", "NFE", "FMD", f"CPU-seconds for {AT_A_RUNG}")
        show("steps, of the first", columns, by_steps(of[str(base)], Variant.from_flat(base)))


def by_variant(variants: list[Flat], of: dict[str, list[dict[str, Any]]]) -> list[tuple[str, ...]]:
    """Return what each variant came to beside the first, seed by seed."""
    usual = np.array([row["fmd"] for row in of[str(variants[0])]])
    cells = []
    for flat in variants:
        fmd = np.array([row["fmd"] for row in of[str(flat)]])
        name = ", ".join(f"{field} = {value}" for field, value in flat.items()) or "the defaults"
        seconds = np.mean([row["seconds"] for row in of[str(flat)]])
        ratios = f"{mean(fmd / usual):.2f} ({(fmd / usual).min():.2f}-{(fmd / usual).max():.2f})"
        cells.append((name, f"{seconds:.0f}", f"{mean(fmd):.1f}", ratios))
    return cells


def mean(values: np.ndarray) -> float:
    """Return the geometric mean."""
    return float(np.exp(np.log(values).mean()))


def by_steps(rows: list[dict[str, Any]], default: Variant) -> list[tuple[str, ...]]:
    """Return what the sampler's number of steps does to the FMD of the defaults, and to what it takes."""
    cells = []
    for steps in STEPS:
        fmd = mean(np.array([row[f"fmd {steps}"] for row in rows]))
        seconds = np.median([row[f"seconds {steps}"] for row in rows])
        calls = nfe(default.sampler.kind, strided(default.schedule.T, steps))
        cells.append((f"{steps}", f"{calls}", f"{fmd:.1f}", f"{seconds:.2f}"))
    return cells


if __name__ == "__main__":
    main()
