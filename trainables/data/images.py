"""A data set in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from trainables.domain import UsageError


class DataError(UsageError):
    """A data set is missing or damaged; one line that names the file, what was found and what to do."""


class Overlays(NamedTuple):
    """Images uint8 (N, C, H, W) of another data set, for the degradation `morph`, in two disjoint parts."""

    train: np.ndarray
    sample: np.ndarray
    checksums: dict[str, str]


@dataclass(frozen=True)
class Images:
    """One data set: uint8 images (N, C, H, W) in 0..255 and labels int64 (N,) of four disjoint splits.

    Classifier and diffusion models train on `train` only. A search ranks against `search`. The confirmation and the
    real-against-real floor use `confirm`. The test evaluation uses `test`.
    """

    name: str
    train: np.ndarray
    search: np.ndarray
    confirm: np.ndarray
    test: np.ndarray
    train_labels: np.ndarray
    search_labels: np.ndarray
    confirm_labels: np.ndarray
    test_labels: np.ndarray
    classes: tuple[str, ...]
    """The names of the labels: those of `train`, then those that only other splits have; empty without labels"""
    groups: np.ndarray
    """The object of each image of `train`, int64 (N,)"""
    overlays_train: np.ndarray
    """Images uint8 (M, C', H', W') of another data set, of any size, for the degradation `morph` in training"""
    overlays_sample: np.ndarray
    """Further images of that data set, from which sampling starts"""
    checksums: dict[str, str]
    """SHA-256 by file"""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What the reader found and did, in words by title"""

    @property
    def labelled(self) -> bool:
        """Whether there is more than one class: without, labels say nothing and are all 0."""
        return len(self.classes) > 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of each image."""
        channels, height, width = self.train.shape[1:]
        return channels, height, width

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for array in vars(self).values() if isinstance(array, np.ndarray))
