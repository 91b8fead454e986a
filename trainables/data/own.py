"""The user's own images: recognised, read once, kept in the user's cache, and split by their content."""

from collections.abc import Callable
from pathlib import Path

from trainables.data import folder, idx, npz, parquet
from trainables.data.cache import cache_dir
from trainables.data.images import DataError, Images, Overlays
from trainables.data.kept import Kept
from trainables.data.options import ReadOptions
from trainables.data.pixels import decoding
from trainables.data.sources import Found, counted, readable
from trainables.data.survey import Log, Survey

# A reader returns what it found at a path, with the groups that a rule makes, or None where it is not of its kind.
READERS: tuple[Callable[[Path, str | None], Found | None], ...] = (npz.find, idx.find, parquet.find, folder.find)
FORMS = "a folder of images, of class folders, of train and test, of idx or parquet files, an .npz or a .parquet file"


def read_own(path: Path, options: ReadOptions, overlays: Callable[[str], Overlays], log: Log) -> Images:
    """Return the images at a path of one of the FORMS, from the user's cache, or decoded and kept there.

    `overlays` returns images of a named data set for the degradation `morph`. `log` is called with progress, where
    there is much to read.

    Raises:
        DataError: one line; nothing is recognised there, an image is damaged, or there are too few.
    """
    with decoding():
        found = recognise(path, options.groups)
        survey = Survey.of(found, path, options, log)
        file = cache_dir() / "images" / f"{survey.key}.npz"
        kept = Kept.load(file)
        if kept is None:
            kept = Kept.of(found, path, survey, options, log)
            kept.save(file, log)
    return kept.images(overlays, {"passed over": counted(found.passed_over) or "nothing"})


def recognise(path: Path, groups: str | None) -> Found:
    """Return what the first reader that knows the kind of a path found there, with the groups that a rule makes."""
    if not path.exists():
        raise DataError(f"{readable(path)}: there is no such file or folder; give --data-dir where the images lie now")
    for find in READERS:
        found = find(path, groups)
        if found is not None:
            return found
    raise DataError(f"{readable(path)} is no data set; give {FORMS}")
