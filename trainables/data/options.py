"""How images of the user's own are read. This module imports nothing heavy, because command lines read it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

# Those of trainables/data/load.py and of trainables/data/downloads.py.
NAMED = ("mnist", "fashion-mnist", "fruits360", "cifar10", "kmnist", "emnist-letters", "svhn")
# From 16 pixels on every network of the project fits; the feature maps of larger images exceed a small machine.
LEAST_SIDE, MOST_SIDE = 16, 256
GROUPS = "what stays in one split: folder, a regular expression with one group, or a column of parquet files"
COLOURS = {"white": (255, 255, 255), "black": (0, 0, 0)}
HEX = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class ReadOptions:
    """How images of the user's own, and those that torchvision downloads, are read.

    mnist, fashion-mnist and fruits360 are read as they were published.
    """

    image_size: int | None = None
    """Side in pixels, 16 to 256; None for the images' own if all are alike and of at most 64, else 32"""
    channels: int | None = None
    """1 for grey, 3 for colour, None for what the images have"""
    background: str = "white"
    """What transparent pixels show: white, black or #rrggbb"""
    skip_damaged: bool = False
    """Whether images that cannot be read are left out, or end the reading"""
    groups: str | None = None
    """What stays in one split, a rule of trainables/data/groups.py; None for copies alone"""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Return the options among the settings of a search; those of an older version may lack some."""
        return cls(**{entry.name: values[entry.name] for entry in fields(cls) if entry.name in values})


READ_OPTIONS = tuple(entry.name for entry in fields(ReadOptions))


def is_colour(text: str) -> bool:
    """Return whether a text names a background."""
    return text in COLOURS or HEX.fullmatch(text) is not None


def colour(text: str) -> tuple[int, int, int]:
    """Return red, green and blue, 0 to 255, of a background."""
    if text in COLOURS:
        return COLOURS[text]
    red, green, blue = bytes.fromhex(text.removeprefix("#"))
    return red, green, blue
