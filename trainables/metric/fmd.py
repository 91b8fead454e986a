"""FMD, the Frechet MNIST distance of generated to real images, with its floor, its scale and its standard error.

Lower is better. The features, their dimension, n and the classifier are the version of the metric, which is printed
beside every number. Numbers of different versions do not compare.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.data.cache import cached
from trainables.data.images import Images
from trainables.device import fastest
from trainables.metric.classifier import WIDTHS, Weights, features, load_weights
from trainables.metric.feature_file import LAYER as FILE_LAYER
from trainables.metric.feature_network import FeatureNetwork, Layer
from trainables.metric.frechet import Statistics, frechet_distance, standard_error
from trainables.metric.real_features import real_features
from trainables.metric.sample_checks import labels

# For each n: the share of pairs of models 4-25 % apart that come out in the wrong order, sampled from the same noise
# (in brackets: from independent noise), and the FMD of the best and the worst model in units of its value at n = 4,096.
#     spatial_mean  128: 10.6 % (26.0 %) 1.42 / 1.12   256: 3.1 % (11.5 %) 1.22 / 1.08   512: 2.7 % (5.2 %) 1.09 / 1.03
#     flat          128:  7.3 % (21.4 %) 1.78 / 1.28   256: 1.4 %  (7.9 %) 1.43 / 1.16   512: 0.0 % (2.5 %) 1.19 / 1.07
# The larger bias of flat is in the floor at the same n, too. A score of 256 takes 0.2 CPU-seconds (spatial_mean 0.12),
# less than sampling. Source: tests/benchmarks/feature_choice.py.
LAYER: Layer = "flat"
SAMPLES = 256

# The splits whose images give the real-against-real floor of a split; neither models nor classifiers train on them.
FLOOR_SPLITS = {"search": ("confirm",), "confirm": ("search",), "test": ("search", "confirm")}
# The floor is a mean over FLOOR_SETS sets of n real images, and over fewer where they would have more than FLOOR_IMAGES
# in all. One set of 256 scatters by 9 %, and the mean over 8 was 6 % too high on MNIST; with more than 10,000 images it
# changes by less than 1 % (2026-12-01).
FLOOR_SETS, FLOOR_IMAGES = 100, 10_000
CACHE_FORMAT = 2
ARRAYS = ("mean", "covariance", "root", "count", "floor", "floor_sd", "blank")  # of the cache


@dataclass(frozen=True)
class Score:
    """FMD of n images; `normalised` is 0 at the real-against-real floor of that n and 1 for black images.

    `se` is the standard error of `fmd` over the draw of the images; `corrected` removes the first-order bias of a
    finite n: 2 FMD(n) - mean FMD(n/2). `labels` are the images by the label that the classifier predicts, empty for
    `spatial_mean` features and for a classifier that knows no labels.
    """

    fmd: float
    normalised: float
    se: float
    corrected: float
    labels: tuple[int, ...] = ()


def mean_score(scores: Sequence[Score]) -> Score:
    """Return the score of one model by several sets of n samples; its labels are those of the first set."""
    return Score(
        fmd=fmean(score.fmd for score in scores),
        normalised=fmean(score.normalised for score in scores),
        se=math.hypot(*(score.se for score in scores)) / len(scores),
        corrected=fmean(score.corrected for score in scores),
        labels=scores[0].labels,
    )


@dataclass(frozen=True)
class Reference:
    """What scoring n images needs, picklable: the statistics of one real split, floor, blank value and networks."""

    split: str
    layer: Layer
    n: int
    real: Statistics
    floor: float
    floor_sd: float
    """Standard deviation of `floor` over draws of the n real images; 0 where there are too few for two draws"""
    blank: float
    weights: Weights

    @property
    def version(self) -> str:
        """The name of this version of the metric, such as `spatial_mean-64-n512-dad4ecb2`.

        It begins with `rotations-` where the classifier learned how images are turned, for want of labels. The features
        of a file are named after the file: `inception-2048-n256-9f3a1c55`.
        """
        task = "" if self.weights.task == "labels" else f"{self.weights.task}-"
        features_of, sha256 = f"{task}{self.layer}", self.weights.sha256
        if self.weights.file is not None:
            features_of, sha256 = self.weights.file.name, self.weights.file.sha256
        return f"{features_of}-{len(self.real.mean)}-n{self.n}-{sha256[:8]}"

    def card(self) -> dict[str, str | int | float]:
        """Return the description of the metric that a run keeps."""
        return {name: getattr(self, name) for name in ("version", "layer", "n", "split", "floor", "floor_sd", "blank")}

    @classmethod
    def build(
        cls,
        images: Images,
        split: str = "search",
        n: int | None = None,
        layer: Layer | None = None,
        weights: Weights | None = None,
    ) -> "Reference":
        """Return the reference for n images against `split`, from the user's cache or computed in 10 CPU-seconds.

        By default n is 256, or the size of the smaller held-out split where that is less, and the classifier is that of
        the data set. The features are those of the file that the weights have, and else by default the "flat" ones.

        Raises:
            ValueError: an unknown split or layer, or an n below 4 or above the real images that the floor needs.
            FeatureFileError: the file cannot be loaded.
            WeightsError: the classifier is missing or damaged.
        """
        n = min(SAMPLES, len(images.search), len(images.confirm)) if n is None else n
        weights = weights or load_weights(images.name, images.checksums)
        file = weights.file
        layer = layer or (LAYER if file is None else FILE_LAYER)
        _check(images, split, n, layer, tuple(WIDTHS) if file is None else (FILE_LAYER,))
        sha256 = weights.sha256 if file is None else file.sha256
        key = [
            *(CACHE_FORMAT, FLOOR_SETS, FLOOR_IMAGES, sha256),
            *(images.name, sorted(images.checksums.items()), split, layer, n),
        ]
        arrays = cached("references", key, ARRAYS, lambda: _measured(images, split, n, layer, weights))
        mean, covariance, root, *numbers = arrays
        count, floor, floor_sd, blank = (number.item() for number in numbers)
        real = Statistics(mean, covariance, count)
        real.__dict__["root"] = root  # where cached_property looks
        return cls(split, layer, n, real, floor, floor_sd, blank, weights)

    def classifier(self, device: str | torch.device = "cpu") -> FeatureNetwork:
        """Return the classifier to score with, on a device; no file is read."""
        return self.weights.classifier(device)

    def score(
        self, images: np.ndarray | Tensor, classifier: FeatureNetwork, flat: NDArray[np.float32] | None = None
    ) -> Score:
        """Return the score of exactly n uint8 images (n, C, H, W).

        `flat` are their "flat" features, where the caller has them.
        """
        if len(images) != self.n:
            raise ValueError(f"this reference scores {self.n} images, given {len(images)}; the value depends on n")
        knows_labels = self.layer != "spatial_mean" and self.weights.task == "labels"
        if flat is None and (self.layer == "flat" or knows_labels):
            flat = features(classifier, images)
        x = flat if flat is not None and self.layer == "flat" else features(classifier, images, self.layer)
        fmd = frechet_distance(Statistics.from_features(x), self.real)
        halves = [frechet_distance(Statistics.from_features(x[half::2]), self.real) for half in (0, 1)]
        normalised = (fmd - self.floor) / (self.blank - self.floor)
        seen = labels(classifier, flat) if flat is not None and knows_labels else ()
        return Score(fmd, normalised, standard_error(x, self.real), 2 * fmd - float(np.mean(halves)), seen)

    def blank_score(self) -> Score:
        """Return the score of a trial that diverged, which is finite: that of black images."""
        return Score(self.blank, 1.0, 0.0, self.blank)


def _check(images: Images, split: str, n: int, layer: Layer, known: Sequence[Layer]) -> None:
    if split not in FLOOR_SPLITS:
        raise ValueError(f"unknown reference split '{split}'; known are {', '.join(FLOOR_SPLITS)}")
    if layer not in known:
        raise ValueError(f"unknown feature layer '{layer}'; known are {', '.join(known)}")
    available = sum(len(getattr(images, other)) for other in FLOOR_SPLITS[split])
    if not 4 <= n <= available:
        raise ValueError(f"n must be 4 to {available} for the '{split}' split, given {n}")


def _measured(images: Images, split: str, n: int, layer: Layer, weights: Weights) -> dict[str, Any]:
    """Return the cache's `ARRAYS`."""
    classifier = weights.classifier() if weights.file is None else weights.classifier(fastest())

    def of(split: str) -> NDArray[np.float32]:
        if weights.file is not None:
            return real_features(images, split, classifier, weights.file)
        return features(classifier, getattr(images, split), layer)

    real = Statistics.from_features(of(split))
    of_others = np.concatenate([of(other) for other in FLOOR_SPLITS[split]])
    sets = _floor_sets(len(of_others), n)
    floors = [frechet_distance(Statistics.from_features(of_others[rows]), real) for rows in sets]
    black = np.repeat(features(classifier, np.zeros((1, *images.shape), np.uint8), layer), 2, axis=0)
    return {
        **{"mean": real.mean, "covariance": real.covariance, "root": real.root, "count": real.n},
        "floor": np.mean(floors),
        "floor_sd": np.std(floors, ddof=1) if len(floors) > 1 else 0.0,
        "blank": frechet_distance(Statistics.from_features(black), real),
    }


def _floor_sets(count: int, n: int) -> list[NDArray[np.int64]]:
    """Return rows of sets of n of `count` images, each (n,), for the floor: the disjoint ones of several orders.

    The orders are random, because neighbours in MNIST are by one writer, and two groups of writers alternate.
    """
    if n == count:
        return [np.arange(n)]
    wanted, rng = min(FLOOR_SETS, max(1, FLOOR_IMAGES // n)), np.random.default_rng(0)
    sets: list[NDArray[np.int64]] = []
    while len(sets) < wanted:
        order = rng.permutation(count)
        sets += np.split(order[: count // n * n], count // n)
    return sets[:wanted]
