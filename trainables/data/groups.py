"""Groups of images that stay together in one split, such as the photographs of one object; `--groups` names them.

A rule names a column of parquet files. For images in folders it is a regular expression: what its one group captures
of an image's path is the image's group. The path begins below the data set's folder, or below its folders of train and
test. `folder` is short for the whole path of the folder that an image lies in, below that of its class.
"""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from trainables.data.images import DataError
from trainables.data.sources import readable

FOLDER = "folder"
_FOLDER = re.compile(r"(.+/.+)/")


def by_path(rule: str) -> Callable[[Path, Path], str]:
    """Return a function of an image's path and of the folder that the path is taken below; it returns the group.

    Raises:
        DataError: the rule is no regular expression with one group; from the function, that it captures nothing.
    """
    pattern = _FOLDER if rule == FOLDER else _compiled(rule)

    def group(path: Path, below: Path) -> str:
        found = pattern.search(path.relative_to(below).as_posix())
        if found is not None and found[1]:
            return found[1]
        if rule == FOLDER:
            raise DataError(f"--groups folder: {readable(path)} lies in no folder below that of its class")
        raise DataError(f"--groups {rule}: it captures nothing of {readable(path.relative_to(below))}")

    return group


def _compiled(rule: str) -> re.Pattern[str]:
    right = r"give folder, or a regular expression with one group, such as '(.+)_\d+\.png'"
    try:
        pattern = re.compile(rule)
    except re.error as error:
        raise DataError(f"--groups {rule}: no regular expression ({error}); {right}") from None
    if pattern.groups != 1:
        raise DataError(f"--groups {rule}: it has {pattern.groups} groups; {right}")
    return pattern


def refuse(rule: str | None, path: Path) -> None:
    """Raise DataError for a rule where images have neither paths nor columns."""
    if rule is not None:
        raise DataError(f"--groups {rule}: {readable(path)} has no names of images; give folders, or parquet files")


def together(contents: np.ndarray, groups: list[str]) -> np.ndarray:
    """Return what must stay in one split: images of one group, and with them their copies and the copies' groups.

    Args:
        contents: uint64 (N,), of the content of each image; copies share one.
        groups: the group of each image.

    Returns:
        uint64 (N,): an id of the component each image belongs to, namely its smallest content id, so that it does not
            depend on names.
    """
    from scipy.sparse import coo_matrix  # a fifth of a second, for --groups only
    from scipy.sparse.csgraph import connected_components

    different, content = np.unique(contents, return_inverse=True)
    names, group = np.unique(np.array(groups, dtype=object), return_inverse=True)
    size = len(different) + len(names)
    links = coo_matrix((np.ones(len(contents), bool), (content, len(different) + group)), shape=(size, size))
    _, part = connected_components(links, directed=False)
    of_image = part[content]
    order = np.lexsort((contents, of_image))
    _, first, back = np.unique(of_image[order], return_index=True, return_inverse=True)
    least = np.empty_like(contents)
    least[order] = contents[order][first][back]
    return least


def deal(sizes: np.ndarray, classes: np.ndarray, shares: dict[str, float], least: int) -> np.ndarray:
    """Return the split that each group goes to, in proportion to the shares, within each class as far as it goes.

    Args:
        sizes: int64 (G,), different images of each group.
        classes: int64 (G,), the most frequent class of each group.
        shares: of each split, the first with what the others leave; together 1.
        least: images that each split has, if the first can give them.

    Returns:
        Texts (G,).
    """
    owed = dict.fromkeys(shares, 0.0)
    names = list(shares)
    taken = np.zeros(len(sizes), np.int64)
    for index in np.lexsort((-sizes, classes)).tolist():
        size = float(sizes[index])
        for name, share in shares.items():
            owed[name] += share * size
        taker = max(names, key=owed.__getitem__)
        owed[taker] -= size
        taken[index] = names.index(taker)
    for place in range(1, len(names)):
        while (missing := least - int(sizes[taken == place].sum())) > 0:
            spare = int(sizes[taken == 0].sum()) - least
            given = np.flatnonzero((taken == 0) & (sizes <= spare))
            if not len(given):
                break
            enough = given[sizes[given] >= missing]
            # The smallest that is enough, else the largest.
            chosen = enough[np.argmin(sizes[enough])] if len(enough) else given[np.argmax(sizes[given])]
            taken[chosen] = place
    return np.array(names)[taken]
