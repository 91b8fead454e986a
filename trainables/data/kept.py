"""Decoded images, kept in the user's cache: one array, split by content, with facts about it in words."""

import hashlib
import json
import math
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from trainables.data.cache import cached
from trainables.data.groups import together
from trainables.data.images import DataError, Images, Overlays
from trainables.data.mnist import overlays_of
from trainables.data.options import ReadOptions, colour
from trainables.data.pixels import Header, decode
from trainables.data.sources import Found, Sample, counted, natural, readable
from trainables.data.splits import SPLITS, split
from trainables.data.survey import CHUNK, Log, Survey, content_of, damage, each

LABELLED, UNLABELLED = "own", "own-unlabelled"  # the names of these data sets, by which a classifier is chosen
DAMAGED_SHOWN = 10

ARRAYS = ("pixels", "labels", "ids", "more")  # of the cache: all splits one after the other in one array

Facts = dict[str, str]


def images_of(found: Found, path: Path, survey: Survey, options: ReadOptions, log: Log) -> Images:
    """Return a data set from the user's cache, or else decoded, split and kept there; its splits are views."""
    made = cached("images", survey.key, ARRAYS, lambda: _made(found, path, survey, options, log), log)
    pixels, labels, ids, more = made
    known: dict[str, Any] = json.loads(str(more))
    ends, morph = known["ends"], _overlays(pixels)
    parts: dict[str, Any] = dict(zip(SPLITS, np.split(pixels, ends[:-1]), strict=True))
    some = np.split(labels, ends[:-1])
    parts |= {f"{name}_labels": own for name, own in zip(SPLITS, some, strict=True)}
    return Images(
        name=LABELLED if len(known["classes"]) > 1 else UNLABELLED,
        **parts,
        classes=tuple(known["classes"]),
        groups=np.unique(ids[: ends[0]], return_inverse=True)[1].astype(np.int64),
        overlays_train=morph.train,
        overlays_sample=morph.sample,
        checksums={**known["checksums"], **morph.checksums},
        facts={**known["facts"], "passed over": counted(found.passed_over) or "nothing"},
    )


def _made(found: Found, path: Path, survey: Survey, options: ReadOptions, log: Log) -> dict[str, Any]:
    """Decode all images of a data set and split them; return the cache's `ARRAYS`.

    pixels are uint8 (N, C, H, W), labels int64 (N,), and ids uint64 (N,), of what stays in one split: of the contents,
    or of the groups. `more` is JSON: the rows behind the last of each split, in the order of SPLITS, and classes,
    checksums and facts.
    """
    samples, pixels, damaged = _decoded(found, path, survey, options, log)
    names = sorted({sample.label for sample in samples if sample.label is not None}, key=natural)
    numbers = {name: number for number, name in enumerate(names)}
    labels = np.array([numbers[sample.label] if sample.label is not None else 0 for sample in samples], np.int64)
    ids = np.array([int.from_bytes(hashlib.sha256(one.tobytes()).digest()[:8]) for one in pixels], np.uint64)
    try:
        groups = None if options.groups is None else together(ids, [sample.group or "" for sample in samples])
        rows = split(np.array([sample.part for sample in samples]), labels, ids, groups)
    except DataError as error:
        raise DataError(f"{readable(path)}: {error}") from None
    labels, names = _renumbered(labels, names, rows["train"])
    order = np.concatenate([rows[name] for name in SPLITS])
    ends = np.cumsum([len(rows[name]) for name in SPLITS]).tolist()
    facts = _facts(found, survey, damaged, pixels, options)
    left_out = len(samples) - len(order)
    if groups is None:
        facts |= _copies(ids, left_out)
    else:
        facts |= _copies(ids, 0) | _groups(options.groups or "", groups, rows, left_out)
    pixels, labels, ids = pixels[order], labels[order], (ids if groups is None else groups)[order]
    digest = hashlib.sha256(pixels)
    digest.update(labels)
    digest.update(json.dumps([ends, names]).encode())
    checksums = {"files": survey.checksum, "images": digest.hexdigest()}
    more = json.dumps({"ends": ends, "classes": names, "checksums": checksums, "facts": facts})
    return {"pixels": pixels, "labels": labels, "ids": ids, "more": more}


def _overlays(pixels: np.ndarray) -> Overlays:
    """Return the images of Fashion-MNIST, or those of MNIST where the data set has some of the first.

    If x_T were drawn from images of the evaluation, the samples would score like a perfect model.
    """
    fashion = overlays_of("fashion-mnist")
    if pixels.shape[1:] != fashion.train.shape[1:]:
        return fashion
    there = {one.tobytes() for one in pixels}
    shared = any(one.tobytes() in there for part in (fashion.train, fashion.sample) for one in part)
    return overlays_of("mnist") if shared else fashion


def _decoded(
    found: Found, path: Path, survey: Survey, options: ReadOptions, log: Log
) -> tuple[list[Sample], np.ndarray, dict[int, str]]:
    """Return the samples that can be decoded, their pixels uint8 (N, C, H, W), and why others cannot."""
    background, channels = colour(options.background), survey.channels or 3
    damaged = dict(survey.damaged)
    shape = (found.count - len(damaged), channels, survey.side, survey.side)
    _require_memory(path, shape)
    pixels = np.empty(shape, np.uint8)
    samples: list[Sample] = []

    def work(sample: Sample) -> np.ndarray:
        return decode(content_of(sample), survey.side, channels, background)

    for place, (sample, got) in enumerate(each(found, work, f"reads {readable(path)}", log)):
        if place in damaged:
            continue
        if isinstance(got, DataError):
            damaged[place] = damage(sample, got, options)
        else:
            pixels[len(samples)] = got
            samples.append(sample._replace(load=bytes))  # the content would stay in memory
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


def _is_grey(pixels: np.ndarray) -> bool:
    chunks = (pixels[first : first + CHUNK] for first in range(0, len(pixels), CHUNK))
    return all((chunk[:, :1] == chunk[:, 1:]).all() for chunk in chunks)


def _renumbered(labels: np.ndarray, names: list[str], train: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Return labels and names with the classes of train first: networks and classifiers know no others."""
    there = np.unique(labels[train]).tolist()
    order = [*there, *(number for number in range(len(names)) if number not in there)]
    place = np.argsort(order) if names else np.zeros(1, np.int64)
    return place[labels].astype(np.int64), [names[number] for number in order] if names else []


def _facts(found: Found, survey: Survey, damaged: dict[int, str], pixels: np.ndarray, options: ReadOptions) -> Facts:
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


def _groups(rule: str, groups: np.ndarray, rows: dict[str, np.ndarray], left_out: int) -> Facts:
    """Return how many groups there are and where they went, in words."""
    sizes = np.unique(groups, return_counts=True)[1]
    shared = ", ".join(f"{name} {len(np.unique(groups[some])):,}" for name, some in rows.items())
    text = f"{len(sizes):,} by {rule}, of {sizes.min():,} to {sizes.max():,} images: {shared}"
    across = f"; {left_out:,} images left out, because another part has their group" if left_out else ""
    return {"groups": text + across}
