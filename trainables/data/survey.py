"""A look through images before they are decoded: their sizes, their checksum, and which cannot be read."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from trainables.cores import usable_cores
from trainables.data.images import DataError
from trainables.data.options import LEAST_SIDE, ReadOptions, colour
from trainables.data.pixels import Header, header
from trainables.data.sources import Content, Found, Sample, readable

OWN_SIDE, USUAL_SIDE = 64, 32  # images that are all alike keep their side up to the first; others get the second
CHUNK, TASK = 512, 32  # samples that are in memory at a time, and that a thread takes at a time
TOLD_EVERY = 5.0  # seconds
CACHE_FORMAT = 1  # part of a cached file's name; raise it when decoding or splits change

Log = Callable[[str], None]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Survey:
    """What is known of the images before they are decoded."""

    side: int
    channels: int | None
    """None where only the pixels tell"""
    headers: list[Header | None]
    """In the order of the samples; None for a damaged one"""
    damaged: dict[int, str]
    """Why each damaged sample cannot be read, by its place"""
    checksum: str
    """SHA-256 of all contents with their parts, classes and groups, whatever the files are called"""
    key: list[Any]
    """All that decides what is decoded, for the cache"""

    @classmethod
    def of(cls, found: Found, path: Path, options: ReadOptions, log: Log) -> "Survey":
        """Read all contents once, and decode none.

        Raises:
            DataError: an image is damaged and not to be skipped, or all are.
        """
        headers: list[Header | None] = []
        damaged: dict[int, str] = {}
        lines: list[str] = []
        groups: dict[str, list[str]] = {}
        for place, (sample, got) in enumerate(each(found, _look, f"looks through {readable(path)}", log)):
            if isinstance(got, DataError):
                damaged[place] = damage(sample, got, options)
                headers.append(None)
                continue
            digest, size = got
            headers.append(size)
            lines.append(f"{sample.part}\0{sample.label or ''}\0{digest}")
            if sample.group is not None:
                groups.setdefault(sample.group, []).append(digest)
        known = [one for one in headers if one is not None]
        if not known:
            raise DataError(f"{readable(path)}: none of its {len(headers):,} images can be read")
        red, green, blue = colour(options.background)
        grey = all(one.is_grey for one in known) and red == green == blue
        lines += ["\0".join(["group", *sorted(digests)]) for digests in groups.values()]
        checksum = hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
        key = [CACHE_FORMAT, checksum, found.count, found.kind, asdict(options)]
        channels = options.channels or (1 if grey else None)
        return cls(options.image_size or _side(known), channels, headers, damaged, checksum, key)


def each(
    found: Found, work: Callable[[Sample], Result], title: str, log: Log
) -> Iterator[tuple[Sample, Result | DataError]]:
    """Yield each sample with what `work` returns or raises, in order; a few hundred are in memory at a time."""

    def caught(sample: Sample) -> Result | DataError:
        try:
            return work(sample)
        except DataError as error:
            return error

    told, done = time.monotonic(), 0
    with ThreadPoolExecutor(usable_cores()) as threads:  # most of it holds no lock of Python's
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


def content_of(sample: Sample) -> Content:
    """Return the content of a sample; raise DataError, with the reason alone, where it cannot be read."""
    try:
        return sample.load()
    except OSError as error:
        raise DataError(error.strerror or str(error)) from None


def damage(sample: Sample, error: DataError, options: ReadOptions) -> str:
    """Return what is said of a damaged image; raise DataError where it is not to be skipped."""
    said = f"{sample.name} cannot be read: {error}"
    if not options.skip_damaged:
        raise DataError(f"{said}; repair or remove it, or give --skip-damaged")
    return said


def _side(headers: list[Header]) -> int:
    """Return the side to use when --image-size is not given."""
    sizes = {(one.width, one.height) for one in headers}
    side = min(sizes.pop())
    return USUAL_SIDE if sizes or side > OWN_SIDE else max(LEAST_SIDE, side)


def _look(sample: Sample) -> tuple[str, Header]:
    content = content_of(sample)
    return _digest(content), header(content)


def _digest(content: Content) -> str:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha256(f"{content.shape}".encode() + content.tobytes()).hexdigest()
