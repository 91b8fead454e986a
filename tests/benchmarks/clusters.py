"""What clusters are worth in place of classes: `python tests/benchmarks/clusters.py mnist emoji=PATH [...]`.

A set is a name or NAME=PATH, of what `--dataset` takes; images of more than 32 pixels are read at 32. The recipe of
spaces/recipe.py is trained on it without labels, with k clusters of the images, and with the classes where there are
some, each with guidance 0.7 but the first. As many samples as real images allow, 2,048 at the most, are compared with
the confirm images; the share of samples nearer to a training image than 99 % of real ones tells of copies.
"""

from __future__ import annotations

import argparse
import itertools
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from axes import ALL, WITHOUT
from defaults import mean
from side_by_side import heading, keep, machine, show, with_one_thread

from trainables.conditioning import labels_of
from trainables.config import Flat, Variant
from trainables.data.images import Images
from trainables.data.load import load
from trainables.data.options import NAMED, ReadOptions
from trainables.diffusion.generation import generate, grid_png, in_rows, sampling_source
from trainables.metric.checks import CheckReference
from trainables.metric.classifier_training import ensure_classifier, ensure_others
from trainables.metric.fmd import Reference
from trainables.training.trainer import Trainer

MOST_SIDE, N, ROWS = 32, 2_048, 8
COUNTS = (10, 30, 50, 100, 300)
NOTHING, CLASSES = "nothing", "the class"
TOLD: dict[str, Flat] = {
    NOTHING: WITHOUT["classes"],
    **{f"1 of {k} clusters": {"network/conditioning": "cluster", "network/clusters": k} for k in COUNTS},
    CLASSES: {},
}


def read(given: str) -> Images:
    """Return a set of the command line, small enough to be trained in minutes."""
    _, _, path = given.rpartition("=")
    images = load(path)
    if path not in NAMED and images.shape[-1] > MOST_SIDE:
        images = load(path, options=ReadOptions(image_size=MOST_SIDE))
    return images


def trained(count: int, out: Path | None, given: str, told: str, seed: int) -> dict[str, Any]:
    """Return what one training came to; the first samples of seed 0 are drawn into a file in `out`."""
    torch.set_num_threads(1)
    images, variant = read(given), Variant.from_flat({**ALL, **TOLD[told]})
    pictures = torch.from_numpy(images.train), torch.from_numpy(images.overlays_train)
    one = Trainer(variant, seed, *pictures, total=count, labels=labels_of(variant, images))
    one.run_to(count)
    n = min(N, len(images.confirm), len(images.search))
    reference, checks = Reference.build(images, "confirm", n), CheckReference.build(images, "confirm", n)
    source = sampling_source(one.source, torch.from_numpy(images.overlays_sample))
    samples = generate(one.averaged(), variant.sampler, n, images.shape, source, 0)
    if out is not None and seed == 0:
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{given.partition('=')[0]}-{told}.png").write_bytes(grid_png(in_rows(samples, None, ROWS)))
    classifier = reference.classifier()
    beside = checks.of(samples, pictures[0], classifier)
    score = reference.score(samples, classifier)
    return {"set": given, "told": told, "seed": seed, "n": n, "fmd": score.fmd, "norm": score.normalised, **beside}


def main() -> None:
    """Train on each set, and print a table for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", metavar="NAME|NAME=PATH")
    parser.add_argument("--images", type=int, default=36_000)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=TOLD, default=list(TOLD), metavar="TOLD")
    parser.add_argument("--out", type=Path, help="folder for clusters.parquet, a row a training, and grids of samples")
    given = parser.parse_args()
    with_one_thread()
    facts = machine()
    heading(facts)
    rows: list[dict[str, Any]] = []
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), mp_context=get_context("spawn")) as pool:
        for name in given.sets:
            images = read(name)
            ensure_classifier(images)
            ensure_others(images)
            asked = itertools.product([name], given.only, range(given.seeds))
            found = list(pool.map(partial(trained, given.images, given.out), *zip(*asked, strict=True)))
            rows += found
            title = f"{name.partition('=')[0]}: {given.images:,} images, {given.seeds} seeds, n = {found[0]['n']:,}"
            show(title, ("told", "FMD", "norm.", "memorised", "copied"), cells(found, given.only))
    keep(given.out, "clusters", rows, facts)


def cells(rows: list[dict[str, Any]], told: list[str]) -> list[tuple[str, ...]]:
    """Return the mean of each kind of training over its seeds."""
    lines = []
    for one in told:
        own = [row for row in rows if row["told"] == one]
        values = {name: [row[name] for row in own] for name in ("fmd", "norm", "memorised_share", "copied_share")}
        each = ", ".join(f"{value:.1f}" for value in values["fmd"])
        shares = (f"{sum(values[name]) / len(own):.1%}" for name in ("memorised_share", "copied_share"))
        lines.append((one, f"{mean(values['fmd']):.1f} ({each})", f"{mean(values['norm']):.3f}", *shares))
    return lines


if __name__ == "__main__":
    main()
