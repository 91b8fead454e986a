"""Which training images a trial fits and which it holds out for validation.

Data sets that photograph one object many times (Fruits-360: one folder, one turning object) hold near-duplicates: a
fold cut through an object asks the model for what it has seen. Grouped folds keep each object on one side.
"""

import numpy as np

from trainables.data.mnist import DataError

FOLDS = ("none", "80:20", "5-fold-grouped", "5-fold-leaking")
COUNT = 5  # folds; one of them is held out, a fifth of the images


def fold_rows(groups: np.ndarray, kind: str, fold: int = 0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows int64 of the training images to fit and of those held out, each ascending; the same for the same seed.

    Args:
        groups: int64 (N,), the object each image shows; images of one object share a number.
        kind: "none" holds out nothing; "80:20" a random fifth of the images; "5-fold-grouped" the `fold`-th of five
            parts of nearly equal size that are made of whole groups; "5-fold-leaking" the `fold`-th of five random
            parts of the images, whichever object they show: the literature's mistake, kept to show the leak.
        fold: 0 to 4; 0 where the kind has no folds.
        seed: of the random order of images or groups.

    Raises:
        DataError: an unknown kind, a fold outside 0..4, or fewer than five groups or images to make five folds of.
    """
    if kind not in FOLDS:
        raise DataError(f"unknown kind of folds '{kind}'; known are {', '.join(FOLDS)}")
    if not 0 <= fold < (COUNT if kind.startswith("5-fold") else 1):
        raise DataError(f"fold {fold} of '{kind}' does not exist; folds are 0 to 4 for 5-fold kinds and 0 for others")
    if kind == "none":
        return np.arange(len(groups)), np.arange(0)
    held_out = (_parts_of_groups if kind == "5-fold-grouped" else _parts_of_images)(groups, seed) == fold
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def _parts_of_images(groups: np.ndarray, seed: int) -> np.ndarray:
    """The part 0..4, int64 (N,), that each image falls into, of equal size but for one image."""
    _enough(len(groups), "images")
    return np.random.default_rng(seed).permutation(len(groups)) % COUNT


def _parts_of_groups(groups: np.ndarray, seed: int) -> np.ndarray:
    """The part 0..4, int64 (N,), of each image: its group's, the largest group first into the emptiest part."""
    names, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    _enough(len(names), "groups")
    shuffled = np.random.default_rng(seed).permutation(len(names))
    part, filled = np.empty(len(names), np.int64), np.zeros(COUNT, np.int64)
    for group in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        part[group] = filled.argmin()
        filled[part[group]] += sizes[group]
    return part[inverse]


def _enough(count: int, what: str) -> None:
    if count < COUNT:
        raise DataError(f"{COUNT} folds need {COUNT} {what} or more, given {count}")
