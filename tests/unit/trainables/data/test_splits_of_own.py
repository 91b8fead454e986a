"""Splits of the user's own images: disjoint by content, complete, balanced, and the same whatever the order."""

import numpy as np
import pytest

from trainables.data.images import DataError
from trainables.data.splits import LEAST, MOST, SHARE, SPLITS, split

PARTS = {
    "train alone": {"train": 1000},
    "train and test": {"train": 800, "test": 150},
    "train and val": {"train": 800, "val": 150},
    "all": {"train": 700, "val": 130, "test": 90},
}


def made(sizes: dict[str, int], copies: float = 0.2, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Parts, labels and contents of images, a share of them copies of others anywhere."""
    rng = np.random.default_rng(seed)
    parts = rng.permutation(np.repeat(list(sizes), list(sizes.values())))
    ids = rng.integers(0, 2**63, len(parts)).astype(np.uint64)
    copied = rng.random(len(parts)) < copies
    ids[copied] = rng.choice(ids, copied.sum())
    return parts, rng.integers(0, 7, len(parts)), ids


@pytest.mark.parametrize("kind", PARTS)
@pytest.mark.parametrize("seed", range(3))
def test_no_content_is_in_two_splits_and_no_image_is_lost_but_copies_of_another_part(kind: str, seed: int) -> None:
    parts, labels, ids = made(PARTS[kind], seed=seed)
    rows = split(parts, labels, ids)
    assert tuple(rows) == SPLITS
    contents = [set(ids[rows[name]].tolist()) for name in SPLITS]
    assert sum(map(len, contents)) == len(set().union(*contents)) == len(np.unique(ids))
    used = np.concatenate(list(rows.values()))
    assert len(used) == len(set(used.tolist()))
    for row in set(range(len(ids))) - set(used.tolist()):
        assert (parts[ids == ids[row]] != parts[row]).any()  # another part has it


@pytest.mark.parametrize("kind", PARTS)
def test_what_was_published_as_test_is_the_test_split(kind: str) -> None:
    parts, labels, ids = made(PARTS[kind])
    rows = split(parts, labels, ids)
    last = next((part for part in ("test", "val") if part in PARTS[kind]), None)
    if last is not None:
        assert set(rows["test"]) == set(np.flatnonzero(parts == last))
    assert set(parts[rows["train"]]) == {"train"}
    if kind == "all":
        assert set(parts[rows["search"]]) == set(parts[rows["confirm"]]) == {"val"}


@pytest.mark.parametrize("kind", PARTS)
def test_splits_depend_on_contents_and_not_on_their_order(kind: str) -> None:
    parts, labels, ids = made(PARTS[kind])
    order = np.random.default_rng(9).permutation(len(ids))
    first, second = split(parts, labels, ids), split(parts[order], labels[order], ids[order])
    for name in SPLITS:
        np.testing.assert_array_equal(ids[first[name]], ids[order][second[name]])
        np.testing.assert_array_equal(labels[first[name]], labels[order][second[name]])


def test_each_held_out_split_has_a_tenth_of_every_class() -> None:
    parts, labels, ids = made({"train": 5_000}, copies=0)
    rows = split(parts, labels, ids)
    for name in SPLITS[1:]:
        assert len(rows[name]) == 500
        shares = np.bincount(labels[rows[name]]) * SHARE / np.bincount(labels)
        np.testing.assert_allclose(shares, 1, atol=SHARE / np.bincount(labels).min())


def test_a_large_data_set_holds_out_as_many_as_mnist() -> None:
    ids = np.arange(80_000).astype(np.uint64)
    rows = split(np.full(80_000, "train"), np.zeros(80_000, np.int64), ids)
    assert [len(rows[name]) for name in SPLITS] == [80_000 - 3 * MOST, MOST, MOST, MOST]


@pytest.mark.parametrize(
    ("sizes", "least", "message"),
    [
        (
            {"train": None},
            4 * LEAST,
            "the data set has 127 different images; a search needs 128 or more, 32 each for tr",
        ),
        (
            {"train": None, "test": 50},
            3 * LEAST,
            "the training part has 95 different images; a search needs 96 or more",
        ),
        ({"train": None, "val": 64, "test": 50}, LEAST, "the training part has 31 different images; a search needs 32"),
        ({"train": 200, "test": None}, LEAST, "the test part has 31 different images; a search needs 32 or more"),
        (
            {"train": 200, "val": None, "test": 50},
            2 * LEAST,
            "the validation part has 63 different images; a search nee",
        ),
    ],
)
def test_too_few_images_are_refused_with_the_number_needed(
    sizes: dict[str, int | None], least: int, message: str
) -> None:
    enough = {name: least if size is None else size for name, size in sizes.items()}
    rows = split(*made(enough, copies=0))
    assert min(len(some) for some in rows.values()) >= LEAST
    few = {name: least - 1 if size is None else size for name, size in sizes.items()}
    with pytest.raises(DataError, match=message):
        split(*made(few, copies=0))


def test_copies_do_not_count_as_images() -> None:
    ids = np.arange(1_000).astype(np.uint64) % 100
    with pytest.raises(DataError, match="the data set has 100 different images"):
        split(np.full(1_000, "train"), np.zeros(1_000, np.int64), ids)
