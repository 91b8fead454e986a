"""A fair try for the literature: each row with other learning rates and averaged weights, beside the recipe.

    python tests/benchmarks/fair_try.py FILE.jsonl [--images 12000] [--batch 32] [--only recipe A0 B3 ...]

Each row, and the recipe of spaces/recipe.py without classes, is trained with its own learning rate and with each of
RATES. Each training is sampled with its last weights and with averaged ones, as many tries for the recipe as for a row.
The best try is chosen as in a search, by 256 samples against the search's images. It and the row as it stands are then
measured by 2,048 samples against the confirm images, so that the choice does not flatter the number. One seed.
With --batch all rows have that batch in place of their own, and so as many steps as the recipe where it is 32.

As many rows at a time as there are cores, one thread each. FILE gets a line when a row is done, and a row that FILE has
is not trained again. At 12,000 images the starter takes two minutes, the deeper networks of B five, C3 and C4 23.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from defaults import SHAPE, N, trained
from side_by_side import heading, machine, show, with_one_thread

from spaces.baselines import BASELINES
from spaces.recipe import RECIPE
from trainables.config import Flat, Sampling, Training, Variant
from trainables.data.load import load
from trainables.diffusion.generation import generate, sampling_source
from trainables.diffusion.process import Diffusion, Diverged
from trainables.diffusion.source import Source
from trainables.metric.fmd import Reference

RATES = (1e-3, 4e-3, 16e-3)
THE_RECIPE, SEED = "recipe", 0
LEFT_OUT = {
    **dict.fromkeys(("A2", "A3", "F"), "twenty to fifty core-minutes each"),
    "D1": "the same as A0",
    **dict.fromkeys(("D3r", "D3c", "D3g"), "restorations, whose FMD compares with no other row's"),
}
VARIANTS: dict[str, Flat] = {
    THE_RECIPE: {**RECIPE, "training/lr": 8e-3},
    **{name: row.variant for name, row in BASELINES.items() if name not in LEFT_OUT},
}


@dataclass(frozen=True)
class Try:
    """A learning rate, and whether samples are by averaged weights."""

    lr: float
    averaged: bool

    def __str__(self) -> str:
        return f"lr={self.lr:g}, {'averaged' if self.averaged else 'last'} weights"


Model = tuple[Diffusion, Source]


def models(variant: Variant, count: int) -> dict[Try, Model]:
    """Return the models of all tries of a row but those that diverged, two of each training."""
    overlays = torch.from_numpy(load("mnist").overlays_sample)
    found: dict[Try, Model] = {}
    for lr in sorted({variant.training.lr, *RATES}):
        flat = {**variant.flat(), "training/lr": lr, "training/ema": Training().ema}
        try:
            one, _ = trained(flat, SEED, count)
        except Diverged:
            continue
        source = sampling_source(one.source, overlays)
        found |= {Try(lr, False): (one.diffusion, source), Try(lr, True): (one.averaged(), source)}
    return found


def fmd(model: Model | None, sampling: Sampling, reference: Reference) -> float:
    """Return the FMD of a model's samples; that of black images where something diverged, as in a search."""
    if model is None:
        return reference.blank
    diffusion, source = model
    try:
        samples = generate(diffusion, sampling, reference.n, SHAPE, source, 0)
    except Diverged:
        return reference.blank
    return reference.score(samples, reference.classifier()).fmd


def tried(name: str, count: int, batch: int | None) -> dict[str, Any]:
    """Return what a row comes to as it stands, but for a batch that is given, and with its best try."""
    torch.set_num_threads(1)
    began = time.process_time()
    given: Flat = {} if batch is None else {"training/batch": batch}
    variant, images = Variant.from_flat({**VARIANTS[name], **given}), load("mnist")
    in_a_search, confirmed = Reference.build(images), Reference.build(images, "confirm", N)
    own, found = Try(variant.training.lr, variant.training.ema > 0), models(variant, count)
    seen = {one: fmd(model, variant.sampler, in_a_search) for one, model in found.items()}
    best = min(seen, key=lambda one: seen[one], default=own)
    measured = {one: fmd(found.get(one), variant.sampler, confirmed) for one in {own, best}}
    return {
        "row": name,
        "images": count,
        "batch": batch,
        "fmd": measured[own],
        "best": measured[best],
        "try": str(best),
        "in_a_search": {str(one): value for one, value in seen.items()},
        "seconds": time.process_time() - began,
    }


def read(file: Path, count: int, batch: int | None) -> list[dict[str, Any]]:
    """Return the rows of the file for so many images and this batch; none where there is no file."""
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [row for row in rows if (row["images"], row["batch"]) == (count, batch)]


def cells(rows: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Return the table's cells, in the order of VARIANTS; ratios are to the best try of the recipe."""
    of = {row["row"]: row for row in rows}
    recipe = of.get(THE_RECIPE, {"best": float("nan")})["best"]
    return [
        (
            name,
            f"{of[name]['fmd']:.1f}",
            f"{of[name]['best']:.1f}",
            of[name]["try"],
            f"{of[name]['fmd'] / recipe:.2f}",
            f"{of[name]['best'] / recipe:.2f}",
        )
        for name in VARIANTS
        if name in of
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, metavar="FILE.jsonl", help="where results are kept, a line for each row")
    parser.add_argument("--images", type=int, default=12_000)
    parser.add_argument("--batch", type=int, help="of all rows (default: their own)")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="ROW")
    given = parser.parse_args()
    with_one_thread()
    heading(machine())
    known = {row["row"] for row in read(given.file, given.images, given.batch)}
    asked = [name for name in given.only if name not in known]
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), mp_context=get_context("spawn")) as pool:
        for row in as_completed([pool.submit(tried, name, given.images, given.batch) for name in asked]):
            with given.file.open("a") as file:
                file.write(json.dumps(row.result()) + "\n")
    columns = ("row", "FMD as it stands", "of its best try", "best try", "over the recipe's best", "best over best")
    batch = f" in batches of {given.batch}" if given.batch else ""
    title = f"{given.images:,} images{batch}, {2 * (1 + len(RATES))} tries each, one seed, n = {N:,}"
    show(title, columns, cells(read(given.file, given.images, given.batch)))


if __name__ == "__main__":
    main()
