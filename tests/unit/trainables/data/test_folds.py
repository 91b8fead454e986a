"""Folds: disjoint, complete, repeatable; grouped ones keep every object on one side."""

import numpy as np
import pytest

from trainables.data.folds import FOLDS, fold_rows
from trainables.data.images import DataError

FIVE = [kind for kind in FOLDS if kind.startswith("5-fold")]
OBJECTS = np.repeat(np.arange(24), 40)  # 24 objects of 40 images, as in a small Fruits-360
GROUPS = {
    "objects": OBJECTS,
    "shuffled objects": np.random.default_rng(0).permutation(OBJECTS),
    "objects of many sizes": np.repeat(np.arange(30), np.arange(1, 31)),
    "every image its own": np.arange(503),
    "numbers with gaps": OBJECTS * 7 - 50,
}


@pytest.mark.parametrize("groups", GROUPS.values(), ids=GROUPS)
@pytest.mark.parametrize("kind", FOLDS)
def test_both_sides_are_disjoint_complete_and_ascending(kind: str, groups: np.ndarray) -> None:
    train, held_out = fold_rows(groups, kind)
    assert sorted([*train, *held_out]) == list(range(len(groups)))
    assert all((np.diff(rows) > 0).all() and rows.dtype == np.int64 for rows in (train, held_out))


@pytest.mark.parametrize("groups", GROUPS.values(), ids=GROUPS)
@pytest.mark.parametrize("kind", FIVE)
def test_the_five_folds_hold_out_every_image_once(kind: str, groups: np.ndarray) -> None:
    held_out = [fold_rows(groups, kind, fold)[1] for fold in range(5)]
    assert sorted(np.concatenate(held_out)) == list(range(len(groups)))
    largest_group = np.unique(groups, return_counts=True)[1].max()
    sizes = [len(rows) for rows in held_out]
    assert max(sizes) - min(sizes) <= (largest_group if kind == "5-fold-grouped" else 1)


@pytest.mark.parametrize("groups", GROUPS.values(), ids=GROUPS)
@pytest.mark.parametrize("fold", range(5))
def test_grouped_folds_cut_through_no_object(groups: np.ndarray, fold: int) -> None:
    train, held_out = fold_rows(groups, "5-fold-grouped", fold)
    assert len(held_out) > 0
    assert not set(groups[train]) & set(groups[held_out])


@pytest.mark.parametrize("kind", ["80:20", "5-fold-leaking"])
def test_folds_of_images_leak_every_object(kind: str) -> None:
    train, held_out = fold_rows(OBJECTS, kind)
    assert set(OBJECTS[train]) == set(OBJECTS[held_out])
    assert len(held_out) == len(OBJECTS) // 5


def test_none_holds_out_nothing() -> None:
    assert len(fold_rows(OBJECTS, "none")[1]) == 0


@pytest.mark.parametrize("kind", FOLDS[1:])
def test_the_folds_are_always_the_same(kind: str) -> None:
    first, again = (fold_rows(OBJECTS, kind)[1] for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize(
    ("groups", "kind", "message"),
    [
        (np.repeat(np.arange(4), 9), "5-fold-grouped", "5 folds need 5 groups or more, given 4"),
        (np.arange(4), "80:20", "5 folds need 5 images or more, given 4"),
    ],
)
def test_too_few_are_refused_in_one_line(groups: np.ndarray, kind: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        fold_rows(groups, kind)
