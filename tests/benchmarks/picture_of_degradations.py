"""Draws docs/degradations.png: for each degradation a digit on its way to x_T, and a sample on its way back.

    python tests/benchmarks/picture_of_degradations.py FILE.png [--images 36000]

Each degradation is trained as the space `degradations` starts it, with the noise that it has there. The digit is the
first training image, the sample is of one label. As many trainings at a time as there are cores; two minutes on two.
"""

from __future__ import annotations

import argparse
import io
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import torch
from defaults import trained
from PIL import Image, ImageDraw, ImageFont
from side_by_side import with_one_thread

from spaces.degradations import STARTS
from spaces.recipe import RECIPE
from trainables.config import Flat, Variant
from trainables.data.load import load
from trainables.diffusion.generation import grid_png, sampling_source, strip

COLUMNS, TITLE, BETWEEN, LETTERS = 2, 22, 12, 15  # the last three in pixels
SEED = 3  # of the samples' noise and label
GREYS = 32  # of the picture, because noise in 256 greys makes a large file


def first_starts() -> dict[str, Flat]:
    """Return the first starting point of each degradation, complete."""
    found: dict[str, Flat] = {}
    for start in STARTS:
        found.setdefault(str(start["degradation/kind"]), {**RECIPE, **start})
    return found


def drawn(flat: Flat, count: int) -> bytes:
    """Return a PNG of two rows, the way there and the way back, after a training on so many images."""
    one, _ = trained(flat, 0, count)
    images = load("mnist")
    source = sampling_source(one.source, torch.from_numpy(images.overlays_sample))
    x0 = source.pixels.to_model(torch.from_numpy(images.train[:1]))
    return grid_png(strip(one.averaged(), Variant.from_flat(flat).sampler, x0, source, SEED))


def together(strips: dict[str, bytes]) -> Image.Image:
    """Return one picture of all strips, each below its name."""
    pictures = [Image.open(io.BytesIO(png)) for png in strips.values()]
    width, height = pictures[0].width + BETWEEN, pictures[0].height + TITLE
    rows = -(-len(pictures) // COLUMNS)
    canvas = Image.new("L", (COLUMNS * width - BETWEEN, rows * height), 255)
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(LETTERS)
    for place, (name, picture) in enumerate(zip(strips, pictures, strict=True)):
        left, top = place % COLUMNS * width, place // COLUMNS * height
        pen.text((left + 1, top + 1), name, fill=0, font=font)
        canvas.paste(picture, (left, top + TITLE))
    return canvas


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, metavar="FILE.png")
    parser.add_argument("--images", type=int, default=36_000, help="that each model is trained on")
    given = parser.parse_args()
    with_one_thread()
    starts = first_starts()
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), mp_context=get_context("spawn")) as pool:
        strips = list(pool.map(partial(drawn, count=given.images), starts.values()))
    together(dict(zip(starts, strips, strict=True))).quantize(GREYS).save(given.file)


if __name__ == "__main__":
    main()
