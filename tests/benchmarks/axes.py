"""What each part of the recipe is worth: FMD with all parts, and without one of them, at equal CPU-seconds.

    python tests/benchmarks/axes.py [--images 36000] [--seeds 2] [--only PART ...] [--out DIR] [--picture FILE.svg]

The cost of a training step is measured first, interleaved; a variant that costs r times as much trains on 1/r of the
images. As many trainings at a time as there are cores, one thread each, then 2,048 samples against the search's real
images. Half an hour on two cores.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import os
import statistics
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from defaults import N, mean, scored
from side_by_side import heading, interleaved, keep, machine, ratios, show, with_one_thread

from spaces.quality import STARTS as QUALITY
from spaces.recipe import GUIDED, RECIPE
from trainables.config import Flat, Variant
from trainables.data.load import load
from trainables.training.trainer import Trainer

ALL: Flat = {**RECIPE, **GUIDED, "schedule/kind": "sigmoid", "training/lr": 8e-3}
WITHOUT: dict[str, Flat] = {
    "classes": {"network/conditioning": "none", "sampler/guidance": 0.0},
    "guidance": {"sampler/guidance": 0.0},
    "guidance 0.7, but 0.4": {"sampler/guidance": 0.4},
    "guidance 0.7, but 1": {"sampler/guidance": 1.0},
    "an interval of guidance": {"sampler/guidance_low": 0.0, "sampler/guidance_high": 1.0},
    "batch 32, but 64": {"training/batch": 64},
    "batch 32, but 16": {"training/batch": 16},
    "patches of 4 x 4": {"network/cnn/patch": 2, "network/cnn/widths": "16-32-32-16"},
    "width 32, but 64": {"network/cnn/widths": "64-64-64-64"},
    "4 blocks, but 5": {"network/cnn/widths": "32-32-32-32-32"},
    "kernel 7, but 5": {"network/cnn/kernel": 5},
    "kernel 7, but 9": {"network/cnn/kernel": 9},
    "beta2 0.95, but 0.999": {"training/beta2": 0.999},
    "logit-normal t, but uniform": {"training/times": "uniform"},
    "logit-normal t, but stratified": {"training/times": "stratified"},
    "learning rate 0.008, but 0.004": {"training/lr": 4e-3},
    "learning rate 0.008, but 0.012": {"training/lr": 12e-3},
    "averaged weights": {"training/ema": 0.0},
    "an average of 0.1, but 0.05": {"training/average": 0.05},
    "an average of 0.1, but 0.2": {"training/average": 0.2},
    "10 steps of sampling, but 20": {"sampler/steps": 20},
    "steps at even times, but spacing 1.5": {"sampler/spacing": 1.5},
    "the sigmoid schedule, but cosine": {"schedule/kind": "cosine"},
    "beta2 0.95 and 4 blocks, but 0.9 and 5": QUALITY[0],
}
RECIPE_NAME = "the recipe"
ROUNDS, IMAGES = 9, 640


def speeds(variants: dict[str, Flat]) -> dict[str, float]:
    """Return the images per CPU-second of training over those of the recipe, medians of interleaved rounds."""
    images = load("mnist")
    train, overlays = torch.from_numpy(images.train), torch.from_numpy(images.overlays_train)

    def turn(one: Trainer) -> int:
        one.run_to(one.images_seen + IMAGES)
        return IMAGES

    works = {}
    for name, flat in variants.items():
        one = Trainer(Variant.from_flat(flat), 0, train, overlays, total=10**9, labels=images.train_labels)
        works[name] = functools.partial(turn, one)
    spent = interleaved(works, ROUNDS)
    return {name: statistics.median(ratios(spent[name], spent[RECIPE_NAME])) for name in variants}


def drawn(over: dict[str, np.ndarray], title: str) -> str:
    """Return a picture (SVG) of ratios by name: a row each, best first, a dot for each seed, on a logarithmic scale."""
    left, width, line = 310, 400, 24
    order = sorted(over, key=lambda name: mean(over[name]))
    every = np.concatenate(list(over.values()))
    low, high = np.log(0.95 * every.min()), np.log(1.05 * every.max())
    height = line * (len(order) + 3)

    def place(value: float) -> float:
        return left + width * float((np.log(value) - low) / (high - low))

    marks = [mark for mark in (0.5, 0.7, 1, 1.5, 2, 3, 4, 5, 7) if low <= np.log(mark) <= high]
    parts = [f'<text x="10" y="{line * 0.8}" font-weight="bold">{title}</text>']
    for mark in marks:
        x, stroke = place(mark), "#333" if mark == 1 else "#ddd"
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{line * 1.4}" y2="{height - line}" stroke="{stroke}"/>')
        parts.append(f'<text x="{x:.1f}" y="{height - 6}" text-anchor="middle">{mark}</text>')
    for row, name in enumerate(order):
        y = line * (row + 2)
        parts.append(f'<text x="{left - 14}" y="{y + 5}" text-anchor="end">{name}</text>')
        dots = (f'<circle cx="{place(value):.1f}" cy="{y}" r="4.5" fill="#1f6fb4"/>' for value in over[name])
        parts.extend(dots)
    box = f'viewBox="0 0 {left + width + 30} {height}" width="{left + width + 30}"'
    white = '<rect width="100%" height="100%" fill="white"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} font-family="sans-serif" font-size="13">'
        f"{white}{''.join(parts)}</svg>\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=36_000)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=WITHOUT, default=list(WITHOUT), metavar="PART")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write DIR/axes.parquet")
    parser.add_argument("--picture", type=Path, metavar="FILE.svg", help="draw the ratios of all seeds")
    given = parser.parse_args()
    with_one_thread()
    facts = machine()
    heading(facts)
    variants = {RECIPE_NAME: ALL, **{name: {**ALL, **WITHOUT[name]} for name in given.only}}
    speed = speeds(variants)
    asked = [
        (flat, seed, round(given.images * speed[name]), False)
        for seed, (name, flat) in itertools.product(range(given.seeds), variants.items())
    ]
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), mp_context=get_context("spawn")) as pool:
        rows = list(pool.map(scored, *zip(*asked, strict=True)))
    keep(given.out, "axes", rows, facts)
    fmds = {name: np.array([row["fmd"] for row in rows if row["flat"] == str(flat)]) for name, flat in variants.items()}
    over = {name: fmds[name] / fmds[RECIPE_NAME] for name in given.only}
    cells = [(RECIPE_NAME, "1.00", f"{mean(fmds[RECIPE_NAME]):.2f}", "1")]
    for name, values in over.items():
        span = f"{mean(values):.2f} ({values.min():.2f}-{values.max():.2f})"
        cells.append((f"without {name}", f"{speed[name]:.2f}", f"{mean(fmds[name]):.2f}", span))
    title = f"{given.images:,} images of the recipe, {given.seeds} seeds, n = {N:,}"
    show(title, ("", "speed", "FMD", "over the recipe"), cells)
    if given.picture:
        given.picture.write_text(
            drawn(
                over,
                f"FMD over that of the recipe, without one part each, {given.images:,} images at equal CPU-seconds",
            )
        )


if __name__ == "__main__":
    main()
