"""FMD as a torchmetrics metric, in a module that trials do not import: torchmetrics takes seconds to import."""

import math
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from trainables.metric.classifier import features, load_weights
from trainables.metric.feature_network import FeatureNetwork, Layer
from trainables.metric.fmd import LAYER
from trainables.metric.frechet import Statistics, frechet_distance


class FrechetMnistDistance(Metric):
    """Frechet distance between classifier features of real and generated images, a scalar float64 tensor.

    Without a `classifier` the features are those of MNIST's. The states are sums in float64, so updates may come in any
    batches and any order, and from several processes. The metric moves to other devices, but keeps its types: rounded
    weights, or sums, would give another distance.
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False

    def __init__(self, layer: Layer = LAYER, classifier: FeatureNetwork | None = None) -> None:
        super().__init__()
        self.layer = layer
        self.classifier = load_weights().classifier() if classifier is None else classifier
        none = torch.zeros(1, *self.classifier.shape, dtype=torch.uint8)
        d = features(self.classifier, none, layer).shape[1]
        for side in ("real", "fake"):
            self.add_state(f"{side}_sum", torch.zeros(d, dtype=torch.float64), dist_reduce_fx="sum")
            self.add_state(f"{side}_outer", torch.zeros(d, d, dtype=torch.float64), dist_reduce_fx="sum")
            self.add_state(f"{side}_n", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, images: Tensor, real: bool) -> None:
        """Add uint8 images (N, C, H, W) to the real or to the generated side."""
        x = torch.from_numpy(features(self.classifier, images, self.layer)).to(self.device, torch.float64)
        side = "real" if real else "fake"
        for state, value in (("sum", x.sum(0)), ("outer", x.T @ x), ("n", len(x))):
            setattr(self, f"{side}_{state}", getattr(self, f"{side}_{state}") + value)

    def forward(self, images: Tensor, real: bool) -> Tensor:
        """Add images as `update` does, and return the distance of all so far; NaN before each side has two.

        Those of one batch are of one side, so that a batch has no distance of its own.
        """
        self.update(images, real)
        if min(int(getattr(self, f"{side}_n")) for side in ("real", "fake")) < 2:
            return torch.tensor(math.nan, dtype=torch.float64, device=self.device)
        return self.compute()

    def compute(self) -> Tensor:
        """Return the distance between all images of both sides."""
        distance = frechet_distance(self._statistics("fake"), self._statistics("real"))
        return torch.tensor(distance, dtype=torch.float64, device=self.device)

    def _apply(self, fn: Callable[[Tensor], Tensor], *given: Any, **named: Any) -> Self:
        """Do what torch does to move a module, or to change its type, without the type."""
        super()._apply(lambda tensor: tensor.to(fn(tensor).device), *given, **named)
        return self

    def _statistics(self, side: str) -> Statistics:
        n = int(getattr(self, f"{side}_n"))
        if n < 2:
            raise ValueError(f"FMD needs 2 or more images on each side, the {side} side has {n}")
        mean = getattr(self, f"{side}_sum").cpu().numpy() / n
        outer = getattr(self, f"{side}_outer").cpu().numpy()
        return Statistics(mean, (outer - n * np.outer(mean, mean)) / (n - 1), n)
