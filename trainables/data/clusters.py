"""Clusters of a data set's images, which stand in for labels where a network is conditioned on clusters.

A network that is told the cluster of an image learns about as well as one that is told its class (Bao et al. 2022, "Why
Are Conditional Generative Models Better Than Unconditional Ones?"; Hu et al. 2023, "Self-Guided Diffusion Models"). The
clusters are those of k-means (Lloyd 1982; k-means++, Arthur and Vassilvitskii 2007) on the principal components of the
pixels, so that they take neither labels nor a trained network.
"""

import warnings
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2, vq

from trainables.data.cache import cached
from trainables.data.folds import evenly
from trainables.data.images import Images
from trainables.data.splits import SPLITS

COMPONENTS = 50  # those of MNIST have 82 % of the variance of its pixels
FITTED, COMPARED = 50_000, 2_000  # images at most: for the centres, and for the components
LEAST = 10  # images in a cluster on average, a choice: the fewer they are, the more a cluster says of a single image
ITERATIONS = 30
CHUNK = 1024
CACHE_FORMAT = 2  # part of a cached file's name; raise it when the clusters change

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Clusters:
    """The centres of clusters of images, found in the images of a training set."""

    mean: Array
    """(D,) of the pixels in 0..1"""
    components: Array
    """(D, d), orthonormal"""
    centres: Array
    """(k, d)"""

    @classmethod
    def fit(cls, images: np.ndarray, count: int) -> Self:
        """Return `count` clusters of images uint8 (N, C, H, W), always the same.

        There are fewer where they would have less than `LEAST` images on average, and where some end up empty.
        """
        count = max(1, min(count, len(images) // LEAST))
        mean, components = _principal(evenly(images, COMPARED))
        few = _project(evenly(images, FITTED), mean, components)
        with warnings.catch_warnings(action="ignore"):  # of an empty cluster, which is left out
            centres, nearest = kmeans2(few, count, iter=ITERATIONS, minit="++", rng=0)
        return cls(mean, components, centres[np.unique(nearest)])

    def of(self, images: np.ndarray) -> NDArray[np.int64]:
        """Return the nearest cluster of each image uint8 (N, C, H, W), int64 (N,)."""
        return vq(_project(images, self.mean, self.components), self.centres)[0].astype(np.int64)


def cluster_labels(images: Images, count: int, split: str) -> NDArray[np.int64]:
    """Return the cluster of each image of a split, int64 (N,), from the user's cache or as `Clusters.fit` has it."""
    key = [CACHE_FORMAT, images.name, sorted(images.checksums.items()), count]

    def make() -> dict[str, np.ndarray]:
        found = Clusters.fit(images.train, count)
        return {name: found.of(getattr(images, name)) for name in SPLITS}

    return dict(zip(SPLITS, cached("clusters", key, SPLITS, make), strict=True))[split]


def _principal(images: np.ndarray) -> tuple[Array, Array]:
    """Return the mean (D,) of images and their first principal components (D, d), by the images' inner products."""
    x = _pixels(images)
    mean = x.mean(0)
    x -= mean
    values, vectors = np.linalg.eigh(x @ x.T)
    known = np.flatnonzero(values > 1e-9 * values[-1])[-COMPONENTS:]
    return mean, x.T @ (vectors[:, known] / np.sqrt(values[known]))


def _project(images: np.ndarray, mean: Array, components: Array) -> Array:
    chunks = (images[first : first + CHUNK] for first in range(0, len(images), CHUNK))
    return np.concatenate([(_pixels(chunk) - mean) @ components for chunk in chunks])


def _pixels(images: np.ndarray) -> Array:
    return images.reshape(len(images), -1).astype(np.float64) / 255
