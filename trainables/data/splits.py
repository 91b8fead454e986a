"""Splits of the user's own images by their content, so that an image that occurs twice is in one split only."""

import numpy as np

from trainables.data.images import DataError

SPLITS = ("train", "search", "confirm", "test")
LEAST = 32  # different images of each split: with fewer an FMD says nothing
# A held-out split gets one of SHARE different images, and at most MOST, which is what MNIST's splits have.
SHARE, MOST = 10, 5_000


def split(parts: np.ndarray, labels: np.ndarray, ids: np.ndarray) -> dict[str, np.ndarray]:
    """Return the rows int64 of each split, ordered by content: whatever the images are called or in which order.

    A test part is the test split. A validation part is halved into `search` and `confirm`, or is the test split where
    there is no test part. Missing splits are taken evenly from all classes of train. An image of train that occurs in
    another part, or one of val that occurs in test, is in no row.

    Args:
        parts: texts (N,), "train", "val" or "test".
        labels: int64 (N,).
        ids: uint64 (N,), of the content of each image; copies share one.

    Raises:
        DataError: a part has too few different images.
    """
    of = {part: np.flatnonzero(parts == part) for part in ("train", "val", "test")}
    of["val"] = of["val"][~np.isin(ids[of["val"]], ids[of["test"]])]
    of["train"] = of["train"][~np.isin(ids[of["train"]], ids[np.concatenate([of["val"], of["test"]])])]
    if not len(of["test"]):
        of["test"], of["val"] = of["val"], of["test"]
    rows: dict[str, np.ndarray] = {}
    if len(of["test"]):
        _require(ids[of["test"]], "the test part", ("test",))
        rows["test"] = of["test"]
    missing = tuple(name for name in SPLITS[1:] if name not in rows)
    if len(of["val"]):
        _require(ids[of["val"]], "the validation part", ("search", "confirm"))
        rows |= _deal(of["val"], labels, ids, ("search", "confirm"), everything=True)
        missing = ()
    _require(ids[of["train"]], "the data set" if len(missing) == 3 else "the training part", ("train", *missing))
    rows |= _deal(of["train"], labels, ids, missing) if missing else {"train": of["train"]}
    return {name: some[np.lexsort((labels[some], ids[some]))] for name, some in sorted(rows.items(), key=_place)}


def _place(entry: tuple[str, np.ndarray]) -> int:
    return SPLITS.index(entry[0])


def _require(ids: np.ndarray, part: str, splits: tuple[str, ...]) -> None:
    different, needed = len(np.unique(ids)), LEAST * len(splits)
    if different < needed:
        each = f", {LEAST} each for {', '.join(splits[:-1])} and {splits[-1]}" if len(splits) > 1 else ""
        raise DataError(f"{part} has {different} different images; a search needs {needed} or more{each}")


def _deal(
    rows: np.ndarray, labels: np.ndarray, ids: np.ndarray, splits: tuple[str, ...], everything: bool = False
) -> dict[str, np.ndarray]:
    """Return the rows of each of the splits, a tenth of the contents for each, and of train; or all, and no train.

    The contents are taken at even distances in the order of their classes, so that each class gives its share.
    """
    order = rows[np.lexsort((ids[rows], labels[rows]))]
    _, first = np.unique(ids[order], return_index=True)
    contents = ids[order][np.sort(first)]  # each once, in the order of the first class that has it
    count = len(splits) * min(MOST, max(LEAST, len(contents) // SHARE))
    if everything:
        count = len(contents)
    chosen = contents[((np.arange(count) + 0.5) * len(contents) / count).astype(np.int64)]
    dealt = {name: rows[np.isin(ids[rows], chosen[place :: len(splits)])] for place, name in enumerate(splits)}
    return dealt if everything else {"train": rows[~np.isin(ids[rows], chosen)], **dealt}
