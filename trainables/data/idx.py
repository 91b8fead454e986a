"""Images in idx files, the format of MNIST: of any set that has it, gzipped or not, with or without labels."""

import gzip
import re
import zlib
from itertools import chain
from pathlib import Path

import numpy as np

from trainables.data.groups import refuse
from trainables.data.images import DataError
from trainables.data.sources import PARTS, Array, Found, found_arrays, labels_of, readable

# train-images-idx3-ubyte.gz, Kaggle's train-images.idx3-ubyte, EMNIST's emnist-letters-test-labels-idx1-ubyte.
FILE = re.compile(
    rf"(?P<set>.*?)[-_.]?(?P<part>{'|'.join(PARTS)})[-_.](?P<what>images|labels)[-_.]idx\d[-_.]ubyte(\.gz)?", re.I
)

GZIP = b"\x1f\x8b"


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
    turned = chosen.startswith("emnist")  # its files have rows and columns exchanged
    parts = [_read(files, chosen, part, turned) for part in PARTS if (chosen, part, "images") in files]
    if not any(array.part == "train" for array in parts):
        raise DataError(f"{readable(path)} holds no train-images-idx3-ubyte, or .gz, beside its other idx files")
    kind = "idx files" + (f" of {chosen}" if chosen else "") + (", turned upright" if turned else "")
    return found_arrays(kind, path, parts)


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


def _read(files: dict[tuple[str, str, str], Path], chosen: str, part: str, turned: bool) -> Array:
    path = files[chosen, part, "images"]
    images, _ = parse_idx(path)
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] not in (1, 3)):
        raise DataError(
            f"{readable(path)} holds an array {images.shape}; give images as (N, H, W) or (N, H, W, 1 or 3)"
        )
    labels = files.get((chosen, part, "labels"))
    names = None if labels is None else labels_of(parse_idx(labels)[0], len(images), readable(labels))
    return Array(readable(path), PARTS[part], images.swapaxes(1, 2) if turned else images, names)
