"""Clusters of images: found where they are, the nearest one, and the same every time."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from trainables.conditioning import labels_of
from trainables.config import Variant
from trainables.data.clusters import Clusters
from trainables.data.images import Images

PATTERNS = 10


def noisy_patterns(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """`count` images uint8 (count, 1, 8, 8) of PATTERNS random patterns with little noise, and the pattern of each."""
    patterns = np.random.default_rng(0).integers(0, 200, (PATTERNS, 1, 8, 8))
    rng = np.random.default_rng(seed)
    which = rng.integers(0, PATTERNS, count)
    return (patterns[which] + rng.integers(0, 20, (count, 1, 8, 8))).astype(np.uint8), which


def test_images_of_one_pattern_are_one_cluster_also_those_it_was_not_fitted_to() -> None:
    images, which = noisy_patterns(600, 1)
    unseen, unseen_which = noisy_patterns(200, 2)
    found = Clusters.fit(images, PATTERNS)
    names = {cluster: set(which[found.of(images) == cluster]) for cluster in range(PATTERNS)}
    assert sorted(map(len, names.values())) == [1] * PATTERNS
    assert all({pattern} == names[cluster] for cluster, pattern in zip(found.of(unseen), unseen_which, strict=True))


def test_the_cluster_of_an_image_is_the_nearest_centre_by_its_principal_components() -> None:
    images = np.random.default_rng(3).integers(0, 256, (300, 3, 6, 6), dtype=np.uint8)
    found = Clusters.fit(images, 12)
    assert np.allclose(found.components.T @ found.components, np.eye(found.components.shape[1]))
    x = (images.reshape(300, -1) / 255 - found.mean) @ found.components
    assert (found.of(images) == cdist(x, found.centres).argmin(1)).all()


def test_clusters_are_the_same_every_time() -> None:
    images, _ = noisy_patterns(400, 4)
    np.random.seed(1)  # nothing draws from the global generator
    first = Clusters.fit(images, 30).of(images)
    np.random.seed(2)
    assert (first == Clusters.fit(images, 30).of(images)).all()


def test_an_empty_cluster_is_left_out() -> None:
    images, _ = noisy_patterns(3, 5)
    copies = np.repeat(images, 20, axis=0)
    found = Clusters.fit(copies, 30)
    assert len(found.centres) <= 3
    assert set(found.of(copies)) == set(range(len(found.centres)))


@pytest.mark.parametrize(("images", "clusters"), [(5, 1), (95, 9), (400, 30)])
def test_few_images_have_few_clusters(images: int, clusters: int) -> None:
    rng = np.random.default_rng(6)
    assert len(Clusters.fit(rng.integers(0, 256, (images, 1, 8, 8), dtype=np.uint8), 30).centres) == clusters


def test_what_a_network_is_told(mnist: Images) -> None:
    few = {name: getattr(mnist, name)[:200] for name in ("train", "search", "confirm", "test")}
    images = replace(mnist, name="few", **few)
    variants = {told: Variant.from_flat({"network/conditioning": told}) for told in ("none", "class", "cluster")}
    assert labels_of(variants["none"], images) is None
    assert labels_of(variants["class"], images, "test") is images.test_labels
    assert labels_of(variants["class"], replace(images, classes=())) is None
    for split, array in few.items():
        clusters = labels_of(variants["cluster"], images, split)
        assert clusters is not None
        assert (clusters == Clusters.fit(images.train, 100).of(array)).all()
