"""What every network has whose features a Frechet distance compares."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

Layer = Literal["spatial_mean", "flat", "file"]
NetworkName = Literal["plain", "residual"]
TaskName = Literal["labels", "rotations"]
"""What it learned: the classes of images, or without classes how an image is turned"""


class FeatureNetwork(nn.Module, ABC):
    """A classifier of square images (N, channels, size, size), whose `head` takes the features of layer `last`."""

    head: nn.Linear
    last: ClassVar[Layer] = "flat"

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.shape = (channels, size, size)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (N, classes) of float images (N, C, H, W) in [0, 1]."""
        return self.head(self.features(x, self.last))

    @abstractmethod
    def features(self, x: Tensor, layer: Layer) -> Tensor:
        """Return the features (N, d) of float images (N, C, H, W) in [0, 1]."""

    def to_unit(self, images: np.ndarray | Tensor) -> Tensor:
        """Return uint8 images (N, C, H, W) as float32 in [0, 1] on the network's device."""
        if tuple(images.shape[1:]) != self.shape or str(images.dtype).removeprefix("torch.") != "uint8":
            expected = ", ".join(map(str, self.shape))
            raise ValueError(
                f"the classifier takes uint8 images (N, {expected}) in 0..255, "
                f"given {images.dtype} {tuple(images.shape)}"
            )
        tensor = images if isinstance(images, Tensor) else torch.tensor(images)
        return tensor.to(self.head.weight.device).float() / 255
