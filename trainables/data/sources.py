"""What the readers of the user's own images have in common: they find samples, which are decoded later."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from trainables.data.images import DataError

Part = Literal["train", "val", "test"]
Content = bytes | np.ndarray
"""An image file, or pixels uint8 (H, W) or (H, W, 1, 3 or 4)"""

# How data sets call their parts, in lower case.
PARTS: dict[str, Part] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "t10k"), "test"),
}


class Sample(NamedTuple):
    """One image, which is not yet read."""

    name: str
    """For a person: the path of its file, or its row"""
    part: Part
    label: str | None
    """The name of its class; None in a data set without classes"""
    load: Callable[[], Content]
    """Returns its content; raises OSError or DataError."""
    group: str | None = None
    """What it stays in one split with, where --groups says so"""


@dataclass(frozen=True)
class Found:
    """What a reader found at a path."""

    kind: str
    """In words: "a folder of 9 class folders" """
    count: int
    samples: Callable[[], Iterator[Sample]]
    """Returns all samples, in the same order each time."""
    passed_over: Mapping[str, int] = field(default_factory=dict)
    """What is no image, in words, and how often"""


def readable(path: str | Path) -> str:
    """Return a path or a name as text in one line: what is no UTF-8, or cannot be printed, is replaced."""
    text = os.fsencode(path).decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def counted(things: Mapping[str, int]) -> str:
    """Return things and their numbers as text: "hidden files 3, Thumbs.db 1"."""
    return ", ".join(f"{thing} {count:,}" for thing, count in sorted(things.items()))


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its kind where it has none."""
    return (str(error).splitlines() or [""])[0] or type(error).__name__


def natural(name: str) -> list[tuple[int, int | str]]:
    """Return a key that sorts numbers in names by value: class 9 before class 10."""
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", name) if part]


def labels_of(array: np.ndarray, count: int, name: str) -> list[str]:
    """Return one class name an image of an array of labels (N,) or (N, 1), of whole numbers or texts.

    Raises:
        DataError: the array has another shape or type.
    """
    flat = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if flat.shape != (count,):
        raise DataError(f"{name} has the shape {array.shape}; give one label for each of the {count:,} images")
    if flat.dtype.kind not in "iubUS":
        raise DataError(f"{name} is of {array.dtype}; give labels that are whole numbers or texts")
    return [label.decode("utf-8", "replace") if isinstance(label, bytes) else str(label) for label in flat.tolist()]


def pixels_of(array: np.ndarray, name: str) -> np.ndarray:
    """Return an array of images as uint8 (N, H, W) or (N, H, W, C), C 1, 3 or 4; channels may also come first.

    Raises:
        DataError: the array has another shape or type.
    """
    if array.dtype != np.uint8:
        raise DataError(f"{name} is of {array.dtype}; give images as uint8, 0 to 255")
    if array.ndim == 4 and array.shape[3] not in (1, 3, 4) and array.shape[1] in (1, 3, 4):
        array = array.transpose(0, 2, 3, 1)
    if not (array.ndim == 3 or (array.ndim == 4 and array.shape[3] in (1, 3, 4))):
        raise DataError(f"{name} has the shape {array.shape}; give images as (N, H, W) or (N, H, W, 1, 3 or 4)")
    if 0 in array.shape[1:]:
        raise DataError(f"{name} has the shape {array.shape}; its images have no pixels")
    return array


class Array(NamedTuple):
    """The images of one part of a data set as an array."""

    name: str
    part: Part
    pixels: np.ndarray
    """uint8 (N, H, W) or (N, H, W, C)"""
    labels: list[str] | None


def found_arrays(kind: str, path: Path, arrays: list[Array]) -> Found:
    """Return arrays as what a reader found; raise DataError where some have labels and others none."""
    if len({array.labels is None for array in arrays}) > 1:
        raise DataError(f"{readable(path)} has labels for some of its parts only; give all, or none")
    return Found(kind, sum(len(array.pixels) for array in arrays), partial(_samples, arrays))


def _samples(arrays: list[Array]) -> Iterator[Sample]:
    for name, part, pixels, labels in arrays:
        for row, image in enumerate(pixels):
            label = None if labels is None else labels[row]
            yield Sample(f"{name}, image {row}", part, label, image.view)  # its load returns the pixels
