"""The card of a data set: what it holds, in words."""

import numpy as np

from trainables.data.images import Images
from trainables.data.splits import SPLITS

CLASSES_SHOWN = 12


def describe(images: Images) -> dict[str, str]:
    """Return what a data set holds and what its reader found and did, in words by title."""
    lines = {
        "images": f"{sum(_sizes(images).values()):,} {_kind(images)}, {images.nbytes / 2**20:,.1f} MiB in memory",
        "classes": _classes(images),
        "splits": ", ".join(f"{name} {count:,}" for name, count in _sizes(images).items()),
    }
    own = {name: checksum[:16] for name, checksum in images.checksums.items() if not name.startswith("overlays/")}
    return {**lines, **images.facts, "SHA-256": ", ".join(f"{name} {digest}.." for name, digest in own.items())}


def card(images: Images) -> str:
    """Return the lines of `describe` as text."""
    return "\n".join(f"  {title:<11} {text}" for title, text in describe(images).items())


def summary(images: Images) -> str:
    """Return the data set in one line."""
    classes = f"{len(images.classes)} classes" if images.labelled else "no classes"
    splits = ", ".join(f"{count:,} {name}" for name, count in _sizes(images).items())
    return f"{sum(_sizes(images).values()):,} images {_kind(images)}, {classes}: {splits}"


def _kind(images: Images) -> str:
    """Return size and channels of the images, in words: "of 32 x 32 in colour"."""
    channels, height, width = images.shape
    return f"of {height} x {width} in {'grey' if channels == 1 else 'colour'}"


def _sizes(images: Images) -> dict[str, int]:
    return {name: len(getattr(images, name)) for name in SPLITS}


def _classes(images: Images) -> str:
    if not images.labelled:
        only = f" but {images.classes[0]}" if images.classes else ""
        return f"none{only}: the metric learns rotations, and spaces with classes have clusters in their place"
    labels = np.concatenate([getattr(images, f"{name}_labels") for name in SPLITS])
    counts = np.bincount(labels, minlength=len(images.classes))
    shown = [f"{name} {count:,}" for name, count in zip(images.classes, counts, strict=True)][:CLASSES_SHOWN]
    more = [f"and {len(counts) - len(shown)} more"] if len(counts) > len(shown) else []
    absent = len(images.classes) - len(np.unique(images.train_labels))
    without = f"; {absent} without an image in train" if absent else ""
    return f"{len(counts)}: {', '.join([*shown, *more])}{without}"
