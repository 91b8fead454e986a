"""Splits of the training images into those that a trial fits and those it holds out for validation.

A data set with many photographs of one object has near-duplicates (Fruits-360: a folder shows one turning object). If a
fold divides an object, the validation images resemble training images. Grouped folds keep each object on one side.
"""

import numpy as np

from trainables.data.images import DataError

FOLDS = ("none", "80:20", "5-fold-grouped", "5-fold-leaking")
COUNT = 5  # folds, of which one is held out


def fold_rows(groups: np.ndarray, kind: str, fold: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of the images to fit and of those held out, int64, ascending.

    Args:
        groups: int64 (N,), the object of each image; images of one object share a number.
        kind: "none" holds out nothing; "80:20" holds out a random fifth of the images; "5-fold-grouped" one of five
            parts of nearly equal size, made of whole groups; "5-fold-leaking" one of five random parts of the images,
            the mistake of the literature, to show its effect.
        fold: the part that is held out, 0 to 4; 0 where the kind has no folds.

    Raises:
        DataError: there are fewer than five images, or groups of them.
    """
    if kind == "none":
        return np.arange(len(groups)), np.arange(0)
    grouped = kind == "5-fold-grouped"
    count, of = (len(np.unique(groups)), "groups") if grouped else (len(groups), "images")
    if count < COUNT:
        raise DataError(f"{COUNT} folds need {COUNT} {of} or more, given {count}")
    rng = np.random.default_rng(0)  # the same folds in every trial
    # The sizes of the parts of images differ by at most one.
    parts = _parts_of_groups(groups, rng) if grouped else rng.permutation(count) % COUNT
    return np.flatnonzero(parts != fold), np.flatnonzero(parts == fold)


def evenly(rows: np.ndarray, count: int) -> np.ndarray:
    """Return at most `count` of the rows, evenly spaced."""
    return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(np.int64)]


def _parts_of_groups(groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the part 0..4, int64 (N,), of each image's group; the largest group goes first, into the emptiest part."""
    names, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    shuffled = rng.permutation(len(names))
    part, filled = np.empty(len(names), np.int64), np.zeros(COUNT, np.int64)
    for group in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        part[group] = filled.argmin()
        filled[part[group]] += sizes[group]
    return part[inverse]
