"""Images in idx files, the format of MNIST: of any set that has it, gzipped or not, with or without labels."""

import gzip
import re
import zlib
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from trainables.data.groups import refuse
from trainables.data.images import DataError
from trainables.data.sources import PARTS, Found, Part, Sample, labels_of, readable

# train-images-idx3-ubyte.gz, Kaggle's train-images.idx3-ubyte, EMNIST's emnist-letters-test-labels-idx1-ubyte.
FILE = re.compile(
    rf"(?P<set>.*?)[-_.]?(?P<part>{'|'.join(PARTS)})[-_.](?P<what>images|labels)[-_.]idx\d[-_.]ubyte(\.gz)?", re.I
)

GZIP = b"\x1f\x8b"


class _Part(NamedTuple):
    part: Part
    name: str
    images: np.ndarray
    labels: list[str] | None


def find(path: Path, groups: str | None = None) -> Found | None:
    """Return what the idx files of a folder hold, or those beside one that is named; None where there are none.

    Raises:
        DataError: a file is damaged, several sets lie in the folder, or groups are asked for.
    """
    named = FILE.fullmatch(path.name) if path.is_file() else None
    files = _files(path.parent if named else path)
    if not files:
        return None
    refuse(groups, path)
    sets = sorted({name for name, _, _ in files})
    chosen = named["set"].lower() if named else sets[0]
    if len(sets) > 1 and not named:
        raise DataError(
            f"{readable(path)} holds several sets of idx files, {', '.join(sets)}; give one file of the set"
        )
    parts = [_read(files, chosen, part) for part in PARTS if (chosen, part, "images") in files]
    if not any(part.part == "train" for part in parts):
        raise DataError(f"{readable(path)} holds no train-images-idx3-ubyte, or .gz, beside its other idx files")
    if len({part.labels is None for part in parts}) > 1:
        raise DataError(f"{readable(path)} has labels for some of its idx files only; give all, or none")
    turned = chosen.startswith("emnist")
    kind = "idx files" + (f" of {chosen}" if chosen else "") + (", turned upright" if turned else "")
    return Found(kind, sum(len(part.images) for part in parts), partial(_samples, parts, turned))


def parse_idx(path: Path) -> tuple[np.ndarray, bytes]:
    """Return an idx file of bytes as a uint8 array of the shape in its header, and its content without gzip.

    Raises:
        DataError: the file is damaged or none of its kind.
    """
    name = readable(path)
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" or content[:2] == GZIP else content
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{name} cannot be read ({error}); replace it with an intact copy") from None
    if content[:3] != b"\x00\x00\x08" or len(content) < 4:
        start = content[:4].hex() or "nothing"
        raise DataError(f"{name} starts with {start}, not with an idx header 000008..; replace it")
    dimensions = content[3]
    first = 4 + 4 * dimensions
    shape = np.frombuffer(content[4:first].ljust(4 * dimensions, b"\0"), ">u4").astype(int)
    if len(content) - first != shape.prod():
        sides = " x ".join(map(str, shape))
        raise DataError(
            f"{name} holds {max(0, len(content) - first):,} bytes, its header says {sides}; "
            "replace it with an intact copy"
        )
    return np.frombuffer(content, np.uint8, offset=first).reshape(shape), content


def _files(folder: Path) -> dict[tuple[str, str, str], Path]:
    """Return the idx files of a folder and of the folders in it by set, part and what they hold.

    Kaggle has each file in a folder of its own name as well.
    """
    if not folder.is_dir():
        return {}
    found: dict[tuple[str, str, str], Path] = {}
    for path in sorted(chain(folder.glob("*"), folder.glob("*/*")), key=lambda path: len(path.parts)):
        match = FILE.fullmatch(path.name)
        if match and path.is_file() and not path.name.startswith("."):
            found.setdefault((match["set"].lower(), match["part"].lower(), match["what"].lower()), path)
    return found


def _read(files: dict[tuple[str, str, str], Path], chosen: str, part: str) -> _Part:
    path = files[chosen, part, "images"]
    images, _ = parse_idx(path)
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] not in (1, 3)):
        raise DataError(
            f"{readable(path)} holds an array {images.shape}; give images as (N, H, W) or (N, H, W, 1 or 3)"
        )
    labels = files.get((chosen, part, "labels"))
    names = None if labels is None else labels_of(parse_idx(labels)[0], len(images), readable(labels))
    return _Part(PARTS[part], readable(path), images, names)


def _samples(parts: list[_Part], turned: bool) -> Iterator[Sample]:
    for part, name, images, labels in parts:
        for row, image in enumerate(images):
            label = None if labels is None else labels[row]
            yield Sample(f"{name}, image {row}", part, label, partial(_upright, image, turned))


def _upright(image: np.ndarray, turned: bool) -> np.ndarray:
    """Return an image of the files; those of EMNIST have rows and columns exchanged."""
    return image.swapaxes(0, 1) if turned else image
