"""The Frechet MNIST distance by the protocol of the report that introduced it (Siddiquei), to compare with that report.

32 images against the first 512 test images. 0 is the mean of 15 random batches of 32 test images, 1 a set of black
images. It is not for ranking: a batch of 32 scatters by 6 to 19 %, and a good model's raw value is mostly bias.
"""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from trainables.data.images import Images
from trainables.metric.classifier import features
from trainables.metric.feature_network import FeatureNetwork
from trainables.metric.frechet import Statistics, frechet_distance

BATCH, REAL, BATCHES = 32, 512, 15


@dataclass(frozen=True)
class ReportProtocol:
    """FMD of the first 32 samples against 512 test images, raw, and normalised to 0 at `zero` and 1 at `one`."""

    fmd: float
    normalised: float
    scatter: float
    """Standard deviation of `normalised` over all whole batches of 32 samples; 0 if there is one"""
    zero: float
    one: float


def report_protocol(samples: np.ndarray | Tensor, images: Images, classifier: FeatureNetwork) -> ReportProtocol:
    """Return the report's FMD of uint8 samples (n, C, H, W), with this project's classifier."""
    if min(len(samples), len(images.test)) < BATCH:
        raise ValueError(f"the report's FMD takes {BATCH} samples or more, given {len(samples)}")
    real = Statistics.from_features(features(classifier, images.test[:REAL]))

    def distance(batch: np.ndarray | Tensor) -> float:
        return frechet_distance(Statistics.from_features(features(classifier, batch)), real)

    draw = np.random.default_rng(0)
    test = [images.test[draw.choice(len(images.test), BATCH, replace=False)] for _ in range(BATCHES)]
    zero, one = float(np.mean([distance(batch) for batch in test])), distance(np.zeros_like(test[0]))
    values = [distance(samples[first : first + BATCH]) for first in range(0, len(samples) - BATCH + 1, BATCH)]
    normalised = (np.array(values) - zero) / (one - zero)
    return ReportProtocol(values[0], float(normalised[0]), float(normalised.std()), zero, one)
