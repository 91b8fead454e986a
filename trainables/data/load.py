"""Every data set by its name or its path, as uint8 arrays in memory."""

import os
from collections.abc import Callable
from pathlib import Path

from trainables.data import folder, idx, npz, parquet
from trainables.data.downloads import DOWNLOADS, fetch
from trainables.data.fruits import NAME, read_fruits
from trainables.data.images import DataError, Images
from trainables.data.kept import images_of
from trainables.data.mnist import read_mnist
from trainables.data.options import NAMED, ReadOptions
from trainables.data.pixels import decoding
from trainables.data.sources import Found, readable
from trainables.data.survey import Log, Survey

READ_AS_PUBLISHED = ReadOptions()
# A reader returns what it found at a path, with the groups that a rule makes, or None where it is not of its kind.
READERS: tuple[Callable[[Path, str | None], Found | None], ...] = (npz.find, idx.find, parquet.find, folder.find)
FORMS = "a folder of images, of class folders, of train and test, of idx or parquet files, an .npz or a .parquet file"


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
        return _read_own(fetch(name), options, log)
    if data_dir is None and not (os.sep in name or Path(name).exists()):
        raise DataError(
            f"'{name}' is no data set and no file or folder; known are {', '.join(NAMED)}, or the path of {FORMS}"
        )
    return _read_own(Path(data_dir or name).expanduser(), options, log)


def _read_own(path: Path, options: ReadOptions, log: Log) -> Images:
    """Return the images at a path of one of the FORMS, from the user's cache, or decoded and kept there."""
    with decoding():
        found = _recognised(path, options.groups)
        survey = Survey.of(found, path, options, log)
        return images_of(found, path, survey, options, log)


def _recognised(path: Path, groups: str | None) -> Found:
    """Return what the first reader that knows the kind of a path found there, with the groups that a rule makes."""
    if not path.exists():
        raise DataError(
            f"{readable(path)}: there is no such file or folder; give the path of your images, or --data-dir where "
            "those of a run were moved"
        )
    for find in READERS:
        found = find(path, groups)
        if found is not None:
            return found
    raise DataError(f"{readable(path)} is no data set; give {FORMS}")


DATASETS: dict[str, Callable[[str, str | Path | None], Images]] = {
    "mnist": read_mnist,
    "fashion-mnist": read_mnist,
    NAME: read_fruits,
}
