"""Features of real images by a network of the user's own, kept in the user's cache.

A network such as Inception takes minutes for them, and the references of several splits share them.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainables.data.cache import cache_file, cached
from trainables.data.images import Images
from trainables.device import fastest
from trainables.metric.classifier import Weights, features
from trainables.metric.feature_file import BATCH, LAYER, FeatureFile
from trainables.metric.feature_network import FeatureNetwork

FOLDER = "features"  # of the cache
CACHE_FORMAT = 1  # part of a cached file's name; raise it when how features are computed changes


def real_features(images: Images, split: str, network: FeatureNetwork, file: FeatureFile) -> NDArray[np.float32]:
    """Return the features (N, d) of the images of a split by a file, from the user's cache or computed.

    Args:
        images: the data set.
        split: of it.
        network: the classifier with the program of the file.
        file: whose program it is.
    """
    key = _key(images, split, file)
    (found,) = cached(FOLDER, key, ["features"], lambda: {"features": features(network, getattr(images, split), LAYER)})
    return found


def ensure_real_features(images: Images, splits: Iterable[str], weights: Weights, log: Callable[[str], None]) -> None:
    """Compute and keep the features of splits by the file of `weights`, and log how long those that are missing take.

    They are computed on a GPU where there is one. Without a file there is nothing to do.

    Raises:
        FeatureFileError: the file cannot be loaded.
    """
    file = weights.file
    if file is None:
        return
    missing = [split for split in splits if not cache_file(FOLDER, _key(images, split, file)).is_file()]
    if not missing:
        return
    network = weights.classifier(fastest())
    count = sum(len(getattr(images, split)) for split in missing)
    started = time.monotonic()
    features(network, getattr(images, missing[0])[:BATCH], LAYER)
    seconds = (time.monotonic() - started) * count / BATCH
    log(f"features of {count:,} real images by {file.name}: about {seconds:.0f} s; only this once")
    for split in missing:
        real_features(images, split, network, file)


def _key(images: Images, split: str, file: FeatureFile) -> list[Any]:
    return [CACHE_FORMAT, file.sha256, images.name, sorted(images.checksums.items()), split]
