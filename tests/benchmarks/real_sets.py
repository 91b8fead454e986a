"""Whole searches on real images in forms that `--dataset` takes: `python tests/benchmarks/real_sets.py DIR --out OUT`.

DIR has the folders `emoji_sample` (PNG files with transparency in class folders), `fashion_mnist` (four idx files,
gzipped) and `fruits360_sample` (folders Training and Test). Six sets are made of them: the emoji as they are, the
fruits of Training as class folders, Fashion-MNIST as idx files of another name that are not packed, fruits as an .npz,
emoji as a parquet file, and all emoji in one folder without labels. Each is searched from the command line with an
empty cache, so that the networks of the metric are trained, and a grid of the winner's samples is generated. Emoji are
read at 32 pixels. A table says what came out and in what time; the runs and the grids stay in OUT.
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from side_by_side import heading, keep, machine, show

from analysis.run.run import Run
from analysis.statistics.confirmed import confirmation_result
from analysis.text.words import fmd_text

REPOSITORY = Path(__file__).parents[2]
SIDE = 32  # pixels of what is made into arrays


def emoji_folders(data: Path, out: Path) -> Path:
    """Return the class folders as they are, which have spaces in their names."""
    return data / "emoji_sample"


def fruit_folders(data: Path, out: Path) -> Path:
    """Return the class folders of photographs; those of Test are other objects."""
    return data / "fruits360_sample" / "Training"


def clothes_idx(data: Path, out: Path) -> Path:
    """Write Fashion-MNIST's idx files under other names, not packed."""
    for packed in (data / "fashion_mnist").glob("*.gz"):
        name = packed.name.removesuffix(".gz").replace("t10k", "test")
        (out / f"clothes-{name}").write_bytes(gzip.decompress(packed.read_bytes()))
    return out


def fruits_npz(data: Path, out: Path) -> Path:
    """Write photographs as an array, with their objects as labels."""
    files = sorted(fruit_folders(data, out).glob("*/*.jpg"))
    images = [np.asarray(Image.open(file).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)) for file in files]
    np.savez(out / "fruits.npz", images=np.stack(images), labels=np.array([file.parent.name for file in files]))
    return out / "fruits.npz"


def emoji_parquet(data: Path, out: Path) -> Path:
    """Write the PNG files into a table, as Hugging Face has them."""
    files = sorted((data / "emoji_sample").glob("*/*.png"))
    images = [{"bytes": file.read_bytes(), "path": file.name} for file in files]
    table = pa.table({"image": images, "label": [file.parent.name for file in files]})
    pq.write_table(table, out / "emoji.parquet")
    return out / "emoji.parquet"


def emoji_flat(data: Path, out: Path) -> Path:
    """Copy all PNG files into one folder."""
    for number, file in enumerate(sorted((data / "emoji_sample").glob("*/*.png"))):
        shutil.copy(file, out / f"{number:04d}.png")
    return out


SETS: dict[str, Callable[[Path, Path], Path]] = {
    "emoji, class folders": emoji_folders,
    "fruits, class folders": fruit_folders,
    "clothes, idx files": clothes_idx,
    "fruits, .npz": fruits_npz,
    "emoji, parquet": emoji_parquet,
    "emoji, flat folder": emoji_flat,
}


def searched(title: str, data: Path, out: Path, options: list[str]) -> dict[str, object]:
    """Return the row of a set, after a search of it in a folder of its own."""
    name = "".join(letter if letter.isalnum() else "-" for letter in title)
    place = out / name
    (place / "images").mkdir(parents=True)
    path = SETS[title](data, place / "images")
    environment = {**os.environ, "XDG_CACHE_HOME": str(place / "cache"), "PYTHONPATH": str(REPOSITORY)}
    since = time.monotonic()
    size = ["--image-size", str(SIDE)] if title.startswith("emoji") else []
    search = [str(REPOSITORY / "search/run.py"), "--dataset", str(path), *size, "--name", name, *options]
    with (place / "search.txt").open("w") as told:
        subprocess.run([sys.executable, *search], cwd=place, env=environment, stdout=told, check=True)
    seconds = time.monotonic() - since
    generate = [str(REPOSITORY / "search/generate.py"), f"runs/{name}", "--out", "samples.png"]
    subprocess.run([sys.executable, *generate], cwd=place, env=environment, check=True)
    run = Run.open(place / "runs" / name)
    result = confirmation_result(run)
    best = None if result is None or not result.standings else result.standings[0]
    said = " ".join((place / "search.txt").read_text().split())
    learned = re.search(r"the classifier of these images by their (\w+) gets (\S+) of", said)
    return {
        "set": title,
        "images": run.settings()["data_card"]["images"].partition(", ")[0],
        "classifier": "-" if learned is None else f"{learned[1]}, {learned[2]}",
        "n": run.settings()["metric"]["n"],
        "trials": len(run.starts()),
        "winner": "-" if best is None else best.trial,
        "FMD": "-" if best is None else fmd_text(best.fmd),
        "norm.": "-" if best is None else f"{best.normalised:.3f}",
        "seconds": f"{seconds:.0f}",
    }


def main() -> None:
    """Search each set and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DIR")
    parser.add_argument("--out", type=Path, required=True, help="a new folder for sets, runs, grids and the table")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS), metavar="SET", help="some of them")
    parser.add_argument(
        "--options",
        default="--space quality --max-images 12000 --trials 4 --time-budget 300 --confirm 1 --seeds 2",
        help="of search/run.py",
    )
    given = parser.parse_args()
    facts = machine(("ray", "optuna"))
    heading(facts)
    rows: list[dict[str, object]] = []
    for title in given.sets:
        rows.append(searched(title, given.data.absolute(), given.out.absolute(), given.options.split()))
        keep(given.out, "real_sets", rows, facts)
        show("Searches on real sets", tuple(rows[0]), [[str(cell) for cell in row.values()] for row in rows])


if __name__ == "__main__":
    main()
