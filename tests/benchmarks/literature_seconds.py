"""The literature's rows and the recipe after equal CPU-seconds of training.

    python tests/benchmarks/literature_seconds.py FILE.jsonl [--seconds 45] [--only recipe A0 B3 ...]

Each row as it stands, and the recipe of spaces/recipe.py without classes, is trained on one thread for so many
CPU-seconds. Then it is scored as at a rung of a search: by 256 samples, whose time does not count. One seed.

As many rows at a time as there are cores. FILE gets a line when a row is done, and a row that FILE has is not trained
again. A row takes a minute, of the slow networks two.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from defaults import SHAPE
from side_by_side import heading, machine, show, with_one_thread

from spaces.baselines import BASELINES
from spaces.recipe import RECIPE
from trainables.config import Flat, Variant
from trainables.data.load import load
from trainables.diffusion.generation import generate, sampling_source
from trainables.metric.fmd import Reference
from trainables.training.trainer import Trainer

THE_RECIPE, SEED = "recipe", 0
STEPS = 10  # between two looks at the clock
# D1 is A0; D3r, D3c and D3g are restorations, whose FMD compares with no other row's.
LEFT_OUT = ("D1", "D3r", "D3c", "D3g")
VARIANTS: dict[str, Flat] = {
    THE_RECIPE: {**RECIPE, "training/lr": 8e-3},
    **{name: row.variant for name, row in BASELINES.items() if name not in LEFT_OUT},
}


def measured(name: str, seconds: float) -> dict[str, Any]:
    """Return what a row comes to after so many CPU-seconds of training."""
    torch.set_num_threads(1)
    images, variant = load("mnist"), Variant.from_flat(VARIANTS[name])
    train, overlays = torch.from_numpy(images.train), torch.from_numpy(images.overlays_train)
    one = Trainer(variant, SEED, train, overlays, total=10**9, labels=images.train_labels)
    began = time.process_time()
    while time.process_time() < began + seconds:
        one.run_to(one.images_seen + STEPS * variant.training.batch)
    spent, reference = time.process_time() - began, Reference.build(images)
    source = sampling_source(one.source, torch.from_numpy(images.overlays_sample))
    samples = generate(one.averaged(), variant.sampler, reference.n, SHAPE, source, 0)
    score = reference.score(samples, reference.classifier())
    found = {"images": one.images_seen, "spent": spent, "fmd": score.fmd, "se": score.se, "norm": score.normalised}
    return {"row": name, "seconds": seconds, **found}


def read(file: Path, seconds: float) -> dict[str, dict[str, Any]]:
    """Return the rows of the file for so many seconds, by name; none where there is no file."""
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return {row["row"]: row for row in rows if row["seconds"] == seconds}


def cells(rows: dict[str, dict[str, Any]]) -> Sequence[tuple[str, ...]]:
    """Return the table's cells, in the order of VARIANTS."""
    there = [rows[name] for name in VARIANTS if name in rows]
    return [
        (row["row"], f"{row['images']:,}", f"{row['fmd']:.1f} ± {row['se']:.1f}", f"{row['norm']:.3f}") for row in there
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, metavar="FILE.jsonl", help="where results are kept, a line for each row")
    parser.add_argument("--seconds", type=float, default=45.0)
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="ROW")
    given = parser.parse_args()
    with_one_thread()
    heading(machine())
    known = read(given.file, given.seconds)
    asked = [name for name in given.only if name not in known]
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), mp_context=get_context("spawn")) as pool:
        for row in as_completed([pool.submit(measured, name, given.seconds) for name in asked]):
            with given.file.open("a") as file:
                file.write(json.dumps(row.result()) + "\n")
    title = f"{given.seconds:g} CPU-seconds of training, one seed"
    show(title, ("row", "images", "FMD ± s.e.", "norm."), cells(read(given.file, given.seconds)))


if __name__ == "__main__":
    main()
