"""Splits of the user's own images by their content, so that an image that occurs twice is in one split only."""

import numpy as np

from trainables.data.groups import deal
from trainables.data.images import DataError

SPLITS = ("train", "search", "confirm", "test")
LEAST = 32  # different images of each split: with fewer an FMD says nothing
# A held-out split gets one of SHARE different images, and at most MOST, which is what MNIST's splits have.
SHARE, MOST = 10, 5_000


def split(
    parts: np.ndarray, labels: np.ndarray, ids: np.ndarray, groups: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Return the rows int64 of each split, ordered by content: whatever the images are called or in which order.

    A test part is the test split. A validation part is halved into `search` and `confirm`, or is the test split where
    there is no test part. Missing splits are taken evenly from all classes of train. An image of train that occurs in
    another part, or one of val that occurs in test, is in no row. With groups, this holds of the whole group.

    Args:
        parts: texts (N,), "train", "val" or "test".
        labels: int64 (N,).
        ids: uint64 (N,), of the content of each image; copies share one.
        groups: uint64 (N,), of what stays in one split, as `trainables.data.groups.together` has it; None without.

    Raises:
        DataError: a part has too few different images, or too few groups.
    """

    def dealt(rows: np.ndarray, splits: tuple[str, ...], everything: bool = False) -> dict[str, np.ndarray]:
        if groups is None:
            return _deal(rows, labels, ids, splits, everything)
        return _deal_groups(rows, labels, ids, groups, splits, everything)

    one = ids if groups is None else groups
    of = {part: np.flatnonzero(parts == part) for part in ("train", "val", "test")}
    of["val"] = of["val"][~np.isin(one[of["val"]], one[of["test"]])]
    of["train"] = of["train"][~np.isin(one[of["train"]], one[np.concatenate([of["val"], of["test"]])])]
    if not len(of["test"]):
        of["test"], of["val"] = of["val"], of["test"]
    rows: dict[str, np.ndarray] = {}
    if len(of["test"]):
        _require(ids[of["test"]], "the test part", ("test",))
        rows["test"] = of["test"]
    missing = tuple(name for name in SPLITS[1:] if name not in rows)
    if len(of["val"]):
        _require(ids[of["val"]], "the validation part", ("search", "confirm"))
        rows |= dealt(of["val"], ("search", "confirm"), everything=True)
        missing = ()
    _require(ids[of["train"]], "the data set" if len(missing) == 3 else "the training part", ("train", *missing))
    rows |= dealt(of["train"], missing) if missing else {"train": of["train"]}
    ordered = ((name, rows[name]) for name in SPLITS)
    return {name: some[np.lexsort((labels[some], ids[some]))] for name, some in ordered}


def _require(ids: np.ndarray, part: str, splits: tuple[str, ...]) -> None:
    different, needed = len(np.unique(ids)), LEAST * len(splits)
    if different < needed:
        each = f", {LEAST} each for {', '.join(splits[:-1])} and {splits[-1]}" if len(splits) > 1 else ""
        raise DataError(f"{part} has {different} different images; a search needs {needed} or more{each}")


def _deal(
    rows: np.ndarray, labels: np.ndarray, ids: np.ndarray, splits: tuple[str, ...], everything: bool
) -> dict[str, np.ndarray]:
    """Return the rows of each of the splits, a tenth of the contents for each, and of train; or all, and no train.

    The contents are taken at even distances in the order of their classes, so that each class gives its share.
    """
    order = rows[np.lexsort((ids[rows], labels[rows]))]
    _, first = np.unique(ids[order], return_index=True)
    contents = ids[order][np.sort(first)]  # each once, in the order of the first class that has it
    count = len(splits) * _held_out(len(contents))
    if everything:
        count = len(contents)
    chosen = contents[((np.arange(count) + 0.5) * len(contents) / count).astype(np.int64)]
    dealt = {name: rows[np.isin(ids[rows], chosen[place :: len(splits)])] for place, name in enumerate(splits)}
    return dealt if everything else {"train": rows[~np.isin(ids[rows], chosen)], **dealt}


def _held_out(different: int) -> int:
    """Return how many of so many different images each held-out split has."""
    return min(MOST, max(LEAST, different // SHARE))


def _deal_groups(
    rows: np.ndarray,
    labels: np.ndarray,
    ids: np.ndarray,
    groups: np.ndarray,
    splits: tuple[str, ...],
    everything: bool,
) -> dict[str, np.ndarray]:
    """Return the rows of each of the splits and of train, as `_deal` does, with no group in two of them."""
    names = splits if everything else ("train", *splits)
    different = rows[np.unique(ids[rows], return_index=True)[1]]
    there, group, sizes = np.unique(groups[different], return_inverse=True, return_counts=True)
    counts = np.zeros((len(there), labels[rows].max() + 1), np.int64)
    np.add.at(counts, (group, labels[different]), 1)
    # Of few groups, each held-out split has one at least.
    share = 1 / len(splits) if everything else max(_held_out(len(different)) / len(different), 1 / len(there))
    shares = {"train": 1 - share * len(splits), **dict.fromkeys(splits, share)}
    dealt = deal(sizes, counts.argmax(1), {name: shares[name] for name in names}, LEAST)
    found = {name: rows[np.isin(groups[rows], there[dealt == name])] for name in names}
    short = [name for name in names if len(np.unique(ids[found[name]])) < LEAST]
    if short:
        among = f"{len(there)} groups of {sizes.min():,} to {sizes.max():,} images cannot be dealt among"
        few = f"{', '.join(short)} would have fewer than {LEAST} images"
        raise DataError(f"its {among} {', '.join(names)}: {few}; give a rule that makes more groups")
    return found
