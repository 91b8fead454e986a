"""The user's own images: recognised, read once, kept in the user's cache, and split by their content."""

import hashlib
import json
import math
import os
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from trainables.data import folder, idx, npz, parquet
from trainables.data.cache import cache_dir, whole
from trainables.data.images import DataError, Images, Overlays
from trainables.data.options import LEAST_SIDE, ReadOptions, colour
from trainables.data.pixels import Header, decode, decoding, header
from trainables.data.sources import Content, Found, Sample, natural, readable
from trainables.data.splits import SPLITS, split

LABELLED, UNLABELLED = "own", "own-unlabelled"  # the names of these data sets, by which a classifier is chosen

# A reader returns what it found at a path, or None where the path is not of its kind.
READERS: dict[str, Callable[[Path], Found | None]] = {
    "npz": npz.find,
    "idx": idx.find,
    "parquet": parquet.find,
    "folder": folder.find,
}
FORMS = "a folder of images, of class folders, of train and test, of idx or parquet files, an .npz or a .parquet file"

OWN_SIDE, USUAL_SIDE = 64, 32  # images that are all alike keep their side up to the first; others get the second
CHUNK, TASK = 512, 32  # samples that are in memory at a time, and that a thread takes at a time
TOLD_EVERY = 5.0  # seconds
CACHE_FORMAT = 1  # part of a cached file's name; raise it when decoding or splits change
DAMAGED_SHOWN = 10

Log = Callable[[str], None]
Result = TypeVar("Result")
Facts = dict[str, str]


def read_own(path: Path, options: ReadOptions, overlays: Callable[[str], Overlays], log: Log = print) -> Images:
    """Return the images at a path, from the user's cache, or decoded and kept there.

    Args:
        path: of one of the FORMS.
        options: how to read them.
        overlays: returns images of a named data set for the degradation `morph`.
        log: called with progress, where there is much to read.

    Raises:
        DataError: one line; nothing is recognised there, an image is damaged, or there are too few.
    """
    with decoding():
        found = recognise(path)
        survey = _Survey.of(found, path, options, log)
        file = cache_dir() / "images" / f"{survey.key}.npz"
        kept = _load(file)
        if kept is None:
            kept = _Kept.of(found, path, survey, options, log)
            _save(kept, file, log)
    passed = ", ".join(f"{count:,} {what}" for what, count in sorted(found.passed_over.items()))
    return kept.images(overlays, {"passed over": passed or "nothing"})


def recognise(path: Path) -> Found:
    """Return what the first reader that knows the kind of a path found there."""
    if not path.exists():
        raise DataError(f"{readable(path)}: there is no such file or folder; give --data-dir where the images lie now")
    for find in READERS.values():
        found = find(path)
        if found is not None:
            return found
    raise DataError(f"{readable(path)} is no data set; give {FORMS}")


@dataclass(frozen=True)
class _Survey:
    """What is known of the images before they are decoded."""

    side: int
    channels: int | None
    """None where only the pixels tell"""
    headers: list[Header | None]
    """In the order of the samples; None for a damaged one"""
    damaged: dict[int, str]
    """Why each damaged sample cannot be read, by its place"""
    checksum: str
    """SHA-256 of all contents with their parts and classes, whatever the files are called"""
    key: str
    """SHA-256 of all that decides what is decoded"""

    @classmethod
    def of(cls, found: Found, path: Path, options: ReadOptions, log: Log) -> "_Survey":
        headers: list[Header | None] = []
        damaged: dict[int, str] = {}
        lines: list[str] = []
        for place, (sample, got) in enumerate(_each(found, _look, f"looks through {readable(path)}", log)):
            if isinstance(got, DataError):
                damaged[place] = _damage(sample, got, options)
                headers.append(None)
                continue
            digest, size = got
            headers.append(size)
            lines.append(f"{sample.part}\0{sample.label or ''}\0{digest}")
        known = [one for one in headers if one is not None]
        if not known:
            raise DataError(f"{readable(path)}: none of its {len(headers):,} images can be read")
        red, green, blue = colour(options.background)
        grey = all(one.is_grey for one in known) and red == green == blue
        checksum = hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
        decides = [CACHE_FORMAT, checksum, found.count, found.kind, asdict(options)]
        key = hashlib.sha256(json.dumps(decides).encode()).hexdigest()
        channels = options.channels or (1 if grey else None)
        return cls(options.image_size or _side(known), channels, headers, damaged, checksum, key[:32])


def _side(headers: list[Header]) -> int:
    """Return the side of images where none is asked for."""
    sizes = {min(one.width, one.height) for one in headers} if len({one[:2] for one in headers}) == 1 else {math.inf}
    (side,) = sizes
    return max(LEAST_SIDE, int(side)) if side <= OWN_SIDE else USUAL_SIDE


def _look(sample: Sample) -> tuple[str, Header]:
    content = _content(sample)
    return _digest(content), header(content)


def _content(sample: Sample) -> Content:
    try:
        return sample.load()
    except OSError as error:
        raise DataError(error.strerror or str(error)) from None


def _digest(content: Content) -> str:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha256(f"{content.shape}".encode() + content.tobytes()).hexdigest()


def _damage(sample: Sample, error: DataError, options: ReadOptions) -> str:
    """Return what is said of a damaged image; raise DataError where it is not to be skipped."""
    said = f"{sample.name} cannot be read: {error}"
    if not options.skip_damaged:
        raise DataError(f"{said}; repair or remove it, or give --skip-damaged")
    return said


def _each(
    found: Found, work: Callable[[Sample], Result], title: str, log: Log
) -> Iterator[tuple[Sample, Result | DataError]]:
    """Yield each sample with what `work` returns or raises, in order; a few hundred are in memory at a time."""

    def caught(sample: Sample) -> Result | DataError:
        try:
            return work(sample)
        except DataError as error:
            return error

    told, done = time.monotonic(), 0
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:  # most of it holds no lock of Python's
        for chunk in _chunks(found.samples(), CHUNK):
            # A task for each of many small images would take longer than the images.
            for samples, got in threads.map(lambda some: (some, [caught(one) for one in some]), _chunks(chunk, TASK)):
                yield from zip(samples, got, strict=True)
            done += len(chunk)
            if time.monotonic() - told > TOLD_EVERY:
                told = time.monotonic()
                log(f"{title}: {done:,} of {found.count:,} images")


def _chunks(samples: Iterable[Sample], size: int) -> Iterator[list[Sample]]:
    rest = iter(samples)
    while chunk := list(islice(rest, size)):
        yield chunk


@dataclass(frozen=True)
class _Kept:
    """A data set as the cache has it: all splits one after the other in one array."""

    pixels: np.ndarray
    """uint8 (N, C, H, W)"""
    labels: np.ndarray
    """int64 (N,)"""
    ids: np.ndarray
    """uint64 (N,), of the contents"""
    ends: list[int]
    """The rows behind the last of each split, in the order of SPLITS"""
    classes: list[str]
    checksums: dict[str, str]
    facts: Facts = field(default_factory=dict)

    @classmethod
    def of(cls, found: Found, path: Path, survey: _Survey, options: ReadOptions, log: Log) -> "_Kept":
        """Decode all images of a data set and split them."""
        samples, pixels, damaged = _decoded(found, path, survey, options, log)
        names = sorted({sample.label for sample in samples if sample.label is not None}, key=natural)
        numbers = {name: number for number, name in enumerate(names)}
        labels = np.array([numbers[sample.label] if sample.label is not None else 0 for sample in samples], np.int64)
        ids = np.array([int.from_bytes(hashlib.sha256(one.tobytes()).digest()[:8]) for one in pixels], np.uint64)
        try:
            rows = split(np.array([sample.part for sample in samples]), labels, ids)
        except DataError as error:
            raise DataError(f"{readable(path)}: {error}") from None
        labels, names = _renumbered(labels, names, rows["train"])
        order = np.concatenate([rows[name] for name in SPLITS])
        ends = np.cumsum([len(rows[name]) for name in SPLITS]).tolist()
        facts = _facts(found, survey, damaged, pixels, options)
        facts |= _copies(ids, len(samples) - len(order))
        pixels, labels, ids = pixels[order], labels[order], ids[order]
        contents = hashlib.sha256(pixels.tobytes() + labels.tobytes() + json.dumps([ends, names]).encode()).hexdigest()
        return cls(pixels, labels, ids, ends, names, {"files": survey.checksum, "images": contents}, facts)

    def images(self, overlays: Callable[[str], Overlays], facts: Facts) -> Images:
        """Return the data set, with more facts; its splits are views of one array."""
        morph = self._overlays(overlays)
        parts: dict[str, Any] = dict(zip(SPLITS, np.split(self.pixels, self.ends[:-1]), strict=True))
        labels = np.split(self.labels, self.ends[:-1])
        parts |= {f"{name}_labels": some for name, some in zip(SPLITS, labels, strict=True)}
        return Images(
            name=LABELLED if len(self.classes) > 1 else UNLABELLED,
            **parts,
            classes=tuple(self.classes),
            groups=np.unique(self.ids[: self.ends[0]], return_inverse=True)[1].astype(np.int64),
            overlays_train=morph.train,
            overlays_sample=morph.sample,
            checksums={**self.checksums, **morph.checksums},
            facts={**self.facts, **facts},
        )

    def _overlays(self, overlays: Callable[[str], Overlays]) -> Overlays:
        """Return the images of Fashion-MNIST, or those of MNIST where the data set has some of the first.

        A prior of the real images of the evaluation would score like a perfect model.
        """
        fashion = overlays("fashion-mnist")
        if self.pixels.shape[1:] != fashion.train.shape[1:]:
            return fashion
        there = {one.tobytes() for one in self.pixels}
        shared = any(one.tobytes() in there for part in (fashion.train, fashion.sample) for one in part)
        return overlays("mnist") if shared else fashion


def _decoded(
    found: Found, path: Path, survey: _Survey, options: ReadOptions, log: Log
) -> tuple[list[Sample], np.ndarray, dict[int, str]]:
    """Return the samples that can be decoded, their pixels uint8 (N, C, H, W), and why others cannot."""
    background, channels = colour(options.background), survey.channels or 3
    damaged = dict(survey.damaged)
    shape = (found.count - len(damaged), channels, survey.side, survey.side)
    _require_memory(path, shape)
    pixels = np.empty(shape, np.uint8)
    samples: list[Sample] = []

    def work(sample: Sample) -> np.ndarray:
        return decode(_content(sample), survey.side, channels, background)

    for place, (sample, got) in enumerate(_each(found, work, f"reads {readable(path)}", log)):
        if place in damaged:
            continue
        if isinstance(got, DataError):
            damaged[place] = _damage(sample, got, options)
        else:
            pixels[len(samples)] = got
            samples.append(sample._replace(load=_nothing))  # the content would stay in memory
    pixels = pixels[: len(samples)]
    if survey.channels is None and _is_grey(pixels):
        pixels = np.ascontiguousarray(pixels[:, :1])
    return samples, pixels, damaged


def _require_memory(path: Path, shape: tuple[int, int, int, int]) -> None:
    """Raise DataError where the images, of which there are two copies for a moment, do not fit into memory."""
    needed, there = 2 * math.prod(shape), os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > there:
        count, channels, side, _ = shape
        raise DataError(
            f"{readable(path)}: to read {count:,} images of {side} x {side} x {channels} takes "
            f"{needed / 2**30:,.0f} GiB, this machine has {there / 2**30:,.0f}; give a smaller --image-size"
        )


def _nothing() -> Content:
    raise AssertionError("the sample was read already")


def _is_grey(pixels: np.ndarray) -> bool:
    chunks = (pixels[first : first + CHUNK] for first in range(0, len(pixels), CHUNK))
    return all((chunk[:, :1] == chunk[:, 1:]).all() for chunk in chunks)


def _renumbered(labels: np.ndarray, names: list[str], train: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Return labels and names with the classes of train first: networks and classifiers know no others."""
    there = np.unique(labels[train]).tolist()
    order = [*there, *(number for number in range(len(names)) if number not in there)]
    place = np.argsort(order) if names else np.zeros(1, np.int64)
    return place[labels].astype(np.int64), [names[number] for number in order] if names else []


def _facts(found: Found, survey: _Survey, damaged: dict[int, str], pixels: np.ndarray, options: ReadOptions) -> Facts:
    """Return what was found and done, in words by title."""
    known = [one for one in survey.headers if one is not None]
    facts = {"found": found.kind, "sizes": _sizes(known, pixels.shape[-1])}
    transparent = sum(one.is_transparent for one in known)
    if transparent:
        facts["transparent"] = f"{transparent:,} images, laid on {options.background}"
    if damaged:
        shown = list(damaged.values())[:DAMAGED_SHOWN]
        more = [f"and {len(damaged) - len(shown):,} more"] if len(damaged) > len(shown) else []
        facts["damaged"] = "; ".join([f"{len(damaged):,} left out", *shown, *more])
    return facts


def _sizes(headers: list[Header], side: int) -> str:
    """Return the sizes of the files and what became of them, in words."""
    sizes = Counter((one.width, one.height) for one in headers)
    least, most = min(sizes, key=lambda size: size[0] * size[1]), max(sizes, key=lambda size: size[0] * size[1])
    text = f"{least[0]:,} x {least[1]:,}" + (f" to {most[0]:,} x {most[1]:,}" if least != most else "")
    resized = any(min(size) != side for size in sizes)
    cut = sum(count for (width, height), count in sizes.items() if width != height)
    text += f", resized to {side} x {side}" if resized else ""
    return text + (f"; {cut:,} cut to their largest middle square" if cut else "")


def _copies(ids: np.ndarray, left_out: int) -> Facts:
    copies = len(ids) - len(np.unique(ids))
    if not copies:
        return {}
    across = f"; {left_out:,} left out, because another part has them" if left_out else ""
    return {"copies": f"{copies:,} images are copies of others, each in the split of its original{across}"}


def _load(file: Path) -> _Kept | None:
    """Return a data set of the cache; None where it is not there, or damaged."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            more = json.loads(str(arrays["more"]))
            return _Kept(arrays["pixels"], arrays["labels"], arrays["ids"], **more)
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile):
        return None


def _save(kept: _Kept, file: Path, log: Log) -> None:
    more = json.dumps({name: getattr(kept, name) for name in ("ends", "classes", "checksums", "facts")})
    try:
        with whole(file) as opened:
            np.savez(opened, pixels=kept.pixels, labels=kept.labels, ids=kept.ids, more=np.array(more))
    except OSError as error:
        log(f"the images cannot be kept for the next time: {error}")
