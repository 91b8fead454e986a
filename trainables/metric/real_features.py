"""Features of real images by a network of the user's own, kept in the user's cache.

A network such as Inception takes minutes for them, and the references of several splits share them.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainables.data.cache import cache_dir, read_arrays, write_arrays
from trainables.data.images import Images
from trainables.device import fastest
from trainables.metric.classifier import Weights, features
from trainables.metric.feature_file import BATCH, LAYER, FeatureFile
from trainables.metric.feature_network import FeatureNetwork

CACHE_FORMAT = 1  # part of a cached file's name; raise it when how features are computed changes


def real_features(images: Images, split: str, network: FeatureNetwork, file: FeatureFile) -> NDArray[np.float32]:
    """Return the features (N, d) of the images of a split by a file, from the user's cache or computed.

    Args:
        images: the data set.
        split: of it.
        network: the classifier with the program of the file.
        file: whose program it is.
    """
    found = read_arrays(_path(images, split, file), "features")
    if found is not None:
        return found[0]
    computed = features(network, getattr(images, split), LAYER)
    _keep(images, split, file, computed)
    return computed


def ensure_real_features(images: Images, splits: Iterable[str], weights: Weights, log: Callable[[str], None]) -> None:
    """Compute and keep the features of splits by the file of `weights`, and log how long those that are missing take.

    They are computed on a GPU where there is one. Without a file there is nothing to do.

    Raises:
        FeatureFileError: the file cannot be loaded.
    """
    file = weights.file
    missing = [] if file is None else [split for split in splits if not _path(images, split, file).is_file()]
    if file is None or not missing:
        return
    network = weights.classifier(fastest())
    count = sum(len(getattr(images, split)) for split in missing)
    started = time.monotonic()
    features(network, getattr(images, missing[0])[:BATCH], LAYER)
    seconds = (time.monotonic() - started) * count / BATCH
    log(f"features of {count:,} real images by {file.name}: about {seconds:.0f} s; only this once")
    for split in missing:
        real_features(images, split, network, file)


def _path(images: Images, split: str, file: FeatureFile) -> Path:
    key = json.dumps([CACHE_FORMAT, file.sha256, images.name, sorted(images.checksums.items()), split])
    return cache_dir() / "features" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npz"


def _keep(images: Images, split: str, file: FeatureFile, computed: NDArray[np.float32]) -> None:
    with suppress(OSError):  # without a cache the next process computes them again
        write_arrays(_path(images, split, file), features=computed)
