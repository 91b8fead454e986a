"""Fruits-360 as it is published: `Training/<object>/*_100.jpg` and `Test/<object>/*_100.jpg`, RGB, 100 x 100 pixels.

An object is one fruit that turned in front of the camera; its folder is its label and its group. Kaggle has the data
set as moltean/fruits, GitHub in the organisation fruits-360.
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from trainables.cores import usable_cores
from trainables.data.images import DataError, Images
from trainables.data.mnist import overlays_of
from trainables.data.sources import first_line, natural

NAME = "fruits360"
SIDE = 100  # pixels
FOLDER = "the folder of Fruits-360 that holds Training and Test (Kaggle moltean/fruits, GitHub organisation fruits-360)"

# Views 2 and 5 of every six are held out. Their neighbours are in train, so held-out images are near-duplicates of
# training images, and memorised shares must be read beside those of real images.
VIEWS = 6
HELD_OUT = {2: "search", 5: "confirm"}


def read_fruits(name: str, data_dir: str | Path | None) -> Images:
    """Read Fruits-360 as uint8 (N, 3, 100, 100); `test` is the Test folder, the other splits are views of Training."""
    if data_dir is None:
        raise DataError(f"{name} does not come along; give --data-dir {FOLDER}")
    folder, overlays = Path(data_dir), overlays_of("fashion-mnist")
    training, test = _objects(folder, "Training"), _objects(folder, "Test")
    classes = [*training, *(known for known in test if known not in training)]
    splits: dict[str, list[tuple[Path, int]]] = {split: [] for split in ("train", "search", "confirm", "test")}
    for label, paths in enumerate(training.values()):
        for row, path in enumerate(paths):
            splits[HELD_OUT.get(row % VIEWS, "train")].append((path, label))
    for known, paths in test.items():
        splits["test"] += [(path, classes.index(known)) for path in paths]
    pixels, digests = _decode([path for split in splits.values() for path, _ in split])
    labels = np.array([label for split in splits.values() for _, label in split], np.int64)
    ends = np.cumsum([len(split) for split in splits.values()])[:-1]
    parts: dict[str, Any] = {
        **dict(zip(splits, np.split(pixels, ends), strict=True)),
        **dict(zip((f"{split}_labels" for split in splits), np.split(labels, ends), strict=True)),
    }
    return Images(
        name=name,
        **parts,
        classes=tuple(classes),
        groups=parts["train_labels"],
        overlays_train=overlays.train,
        overlays_sample=overlays.sample,
        checksums={name: _checksum(folder, digests), **overlays.checksums},
    )


def _objects(folder: Path, part: str) -> dict[str, list[Path]]:
    """Return the photographs by object, both in the order of `natural`."""
    if not (folder / part).is_dir():
        raise DataError(f"{folder / part} is missing; --data-dir should be {FOLDER}")
    names = sorted((path.name for path in (folder / part).iterdir() if path.is_dir()), key=natural)
    objects = {name: sorted((folder / part / name).glob("*_100.jpg"), key=lambda p: natural(p.name)) for name in names}
    few = next((name for name, paths in objects.items() if part == "Training" and len(paths) < VIEWS), None)
    if few is not None:
        found = f"{len(objects[few])} files *_100.jpg"
        raise DataError(f"{folder / part / few} holds {found}; the splits need {VIEWS} or more of each object")
    if not any(objects.values()):
        raise DataError(f"{folder / part} holds no files <object>/*_100.jpg; --data-dir should be {FOLDER}")
    return objects


def _decode(paths: list[Path]) -> tuple[np.ndarray, dict[Path, str]]:
    """Return all photographs, uint8 (N, 3, 100, 100), and the SHA-256 of each file."""
    pixels = np.empty((len(paths), 3, SIDE, SIDE), np.uint8)
    with ThreadPoolExecutor(usable_cores()) as threads:  # JPEG is decoded without Python's lock
        digests = list(threads.map(_decode_one, paths, pixels))
    return pixels, dict(zip(paths, digests, strict=True))


def _decode_one(path: Path, pixels: np.ndarray) -> str:
    try:
        content = path.read_bytes()
        with Image.open(BytesIO(content), formats=("JPEG",)) as image:
            if image.size != (SIDE, SIDE):
                raise DataError(f"{path} has {image.width} x {image.height} pixels, expected {SIDE} x {SIDE}")
            pixels[:] = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    except OSError as error:
        reason = first_line(error).replace(f": {str(path)!r}", "")
        raise DataError(f"{path} cannot be read as JPEG ({reason}); replace it with an intact copy") from None
    return hashlib.sha256(content).hexdigest()


def _checksum(folder: Path, digests: dict[Path, str]) -> str:
    """Return one SHA-256 of the sorted names of all files and the SHA-256 of their contents."""
    lines = sorted(f"{path.relative_to(folder).as_posix()} {digest}\n" for path, digest in digests.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()
