"""What an FMD does not tell of samples, each measured beside the same of real images.

Two models of one FMD may differ in all of it: whether their samples can be read, have the labels of the data, cover the
data, and are copies of training images or of each other. The judge of what can be read is the data's classifier.
Two other networks, residual ones that learned the labels and how an image is turned, give a second opinion on FMD.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.data.cache import cached
from trainables.data.images import Images
from trainables.metric.classifier import (
    OTHER_TASKS,
    RECIPES,
    Weights,
    WeightsError,
    features,
    load_weights,
    other_name,
    shipped,
)
from trainables.metric.feature_network import FeatureNetwork, Layer, TaskName
from trainables.metric.fmd import FLOOR_SPLITS, Reference
from trainables.metric.sample_checks import (
    Features,
    copied,
    labels,
    manifold,
    nearer,
    nearest,
    nearest_other,
    readable_from,
    sureness,
    total_variation,
)
from trainables.report import CHECKS

CACHE_FORMAT = 3  # part of a cached file's name; raise it when what is measured changes
ARRAYS = ("features", "labels", "readable", "nearest", "apart", "real")  # of the cache
LEAST = 32  # images; shares of fewer tell nothing
OTHER_LAYER: Layer = "spatial_mean"  # of the other networks: 96 features

Checks = dict[str, float | None]
"""The values of `trainables.report.CHECKS` by name; one that cannot be measured is None, as without labels"""


@dataclass(frozen=True)
class CheckReference:
    """What checks of n samples compare with, picklable: n real images of one split, and n of other held-out splits."""

    features: Features
    """Of the real images of the split, "flat" (n, 1024)"""
    labels: tuple[int, ...]
    """Their numbers by predicted class; empty for a classifier that knows no labels"""
    readable: float
    """The probability of the predicted class from which on a sample is readable; 0 where the classifier cannot tell"""
    nearest: Tensor
    """Their distances (n,) to the nearest training image"""
    apart: Tensor
    """Their distances (n,) to the nearest other of them"""
    real: Checks
    """The checks of the n real images of other splits, the values to reach"""
    others: Mapping[TaskName, Reference]
    """What the Frechet distances by the other networks need, by what these learned; without those that are missing"""

    @classmethod
    def build(
        cls,
        images: Images,
        split: str,
        n: int,
        weights: Weights | None = None,
        device: str | torch.device = "cpu",
    ) -> "CheckReference":
        """Return what n samples are compared with, from the user's cache or computed in 8 CPU-seconds.

        n is `LEAST` or more, and at most what the split and the other held-out splits have.

        Raises:
            WeightsError: the classifier is missing or damaged.
        """
        others = np.concatenate([getattr(images, other) for other in FLOOR_SPLITS[split]])
        judge = weights or load_weights(images.name, images.checksums)
        references = {
            task: Reference.build(images, split, n, OTHER_LAYER, other) for task, other in other_weights(images).items()
        }
        sha256s = [judge.sha256, *(reference.weights.sha256 for reference in references.values())]
        key = [CACHE_FORMAT, sha256s, images.name, sorted(images.checksums.items()), split, n]

        def measured() -> dict[str, Any]:
            classifier, training = judge.classifier(device), torch.from_numpy(images.train)
            held_out, rest = (drawn.to(device) for drawn in draw_real(getattr(images, split), others, n))
            x = features(classifier, held_out)
            named = judge.task == "labels"
            counts = labels(classifier, x) if named else ()
            readable = readable_from(sureness(classifier, x)) if named else 0.0
            distances = nearest(held_out, training, 1)[:, 0].cpu(), nearest_other(held_out).cpu()
            found = cls(x, counts, readable, *distances, real={}, others=references).of(rest, training, classifier)
            values = [np.nan if found[name] is None else found[name] for name in CHECKS]
            arrays = (x, np.array(counts, np.int64), readable, *(distance.numpy() for distance in distances), values)
            return dict(zip(ARRAYS, arrays, strict=True))

        x, counts, readable, near, apart, real = cached("checks", key, ARRAYS, measured)
        values = (None if np.isnan(value) else float(value) for value in real)
        return cls(
            features=x,
            labels=tuple(counts.tolist()),
            readable=readable.item(),
            nearest=torch.from_numpy(near),
            apart=torch.from_numpy(apart),
            real=dict(zip(CHECKS, values, strict=True)),
            others=references,
        )

    def of(self, samples: Tensor, training: Tensor, classifier: FeatureNetwork, flat: Features | None = None) -> Checks:
        """Return the checks of n samples uint8 (n, C, H, W), in 3 CPU-seconds for 50,000 training images of MNIST.

        Args:
            samples: as many as the real images, because coverage depends on their number.
            training: the images that the model was trained on, uint8 (N, C, H, W).
            classifier: the metric's.
            flat: the samples' "flat" features, where the caller has them.
        """
        if len(samples) != len(self.features):
            raise ValueError(f"these checks take {len(self.features)} samples, given {len(samples)}")
        x = features(classifier, samples) if flat is None else flat
        density, coverage = manifold(x, self.features)
        distances = nearest(samples, training).cpu()
        memorised, ratio = nearer(distances[:, 0], self.nearest)
        repeated, _ = nearer(nearest_other(samples).cpu(), self.apart)
        unreadable = distance = None
        if self.readable:
            unreadable = (sureness(classifier, x) < self.readable).double().mean().item()
        if self.labels:
            distance = total_variation(labels(classifier, x), self.labels)
        by_others = [self._distance(task, samples, classifier) for task in OTHER_TASKS]
        values = (unreadable, distance, density, coverage, memorised, ratio, copied(distances), repeated, *by_others)
        # Where all held-out images are copies of training images a ratio of distances is not finite.
        known = (value if value is not None and math.isfinite(value) else None for value in values)
        return dict(zip(CHECKS, known, strict=True))

    def _distance(self, task: TaskName, samples: Tensor, classifier: FeatureNetwork) -> float | None:
        """Return the Frechet distance by the other network that learned `task`; None without it."""
        if task not in self.others:
            return None
        reference = self.others[task]
        network = reference.classifier(classifier.head.weight.device)
        return reference.score(samples, network).fmd


def other_weights(images: Images) -> dict[TaskName, Weights]:
    """Return the other networks of a data set that are there, by what they learned.

    Raises:
        WeightsError: one that comes with the package is damaged.
    """
    found: dict[TaskName, Weights] = {}
    for task in OTHER_TASKS:
        name = other_name(images.name, task)
        try:
            found |= {task: load_weights(name, images.checksums)} if name in RECIPES else {}
        except WeightsError:
            if shipped(name):
                raise
    return found


def draw_real(held_out: np.ndarray, others: np.ndarray, n: int) -> tuple[Tensor, Tensor]:
    """Return n images of a split and n of other held-out ones, uint8 (n, C, H, W), the same ones every time.

    They are random: in MNIST's order neighbours are by one writer, and the second half of its test set is harder.
    """
    draw = np.random.default_rng(0)
    rows = (draw.permutation(len(images))[:n] for images in (held_out, others))
    first, second = (images[chosen] for images, chosen in zip((held_out, others), rows, strict=True))
    return torch.from_numpy(first), torch.from_numpy(second)
