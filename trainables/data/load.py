"""Every data set by its name or its path, as uint8 arrays in memory."""

import os
from collections.abc import Callable
from pathlib import Path

from trainables.data.downloads import DOWNLOADS, fetch
from trainables.data.fruits import FOLDER, NAME, read_fruits
from trainables.data.images import DataError, Images
from trainables.data.mnist import overlays_of, read_mnist
from trainables.data.options import NAMED, ReadOptions
from trainables.data.own import FORMS, read_own

READ_AS_PUBLISHED = ReadOptions()


def load(
    name: str = "mnist",
    data_dir: str | Path | None = None,
    options: ReadOptions = READ_AS_PUBLISHED,
    log: Callable[[str], None] = print,
) -> Images:
    """Return a data set as uint8 arrays: one with a name, or the user's own images by their path.

    Args:
        name: a name of `DATASETS` or `DOWNLOADS`, or a path.
        data_dir: the folder of a named data set as it was published, by default the MNIST of the package, and for
            Fashion-MNIST Debian's folder or else torchvision's download; of other images, where they lie now.
        options: how to read the user's own images, and those of `DOWNLOADS`.
        log: called with progress where there is much to read.

    Raises:
        DataError: the data set is unknown, or a file is missing or damaged; options are given for one of `DATASETS`.
    """
    if name in DATASETS:
        if options != READ_AS_PUBLISHED:
            raise DataError(f"{name} is read as it was published; leave out --image-size and the like, or give a path")
        return DATASETS[name](name, data_dir)
    if data_dir is None and name in DOWNLOADS:
        return read_own(fetch(name), options, overlays_of, log)
    if data_dir is None and not (os.sep in name or Path(name).exists()):
        raise DataError(f"unknown data set '{name}'; known are {', '.join(NAMED)}, or the path of {FORMS}")
    return read_own(Path(data_dir or name).expanduser(), options, overlays_of, log)


def _read_fruits(name: str, data_dir: str | Path | None) -> Images:
    if data_dir is None:
        raise DataError(f"{name} does not come along; give --data-dir {FOLDER}")
    return read_fruits(Path(data_dir), overlays_of("fashion-mnist"))


DATASETS: dict[str, Callable[[str, str | Path | None], Images]] = {
    "mnist": read_mnist,
    "fashion-mnist": read_mnist,
    NAME: _read_fruits,
}
