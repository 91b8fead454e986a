"""What every network is: a frozen dataclass of hyperparameters that builds a module (x_t, t / T) -> y."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

Activation = Callable[[], nn.Module]

ACTIVATIONS: dict[str, Activation] = {
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "selu": nn.SELU,
    "softplus": nn.Softplus,
    "tanh": nn.Tanh,
}


@dataclass(frozen=True)
class Network(ABC):
    """A network for images of given channels and side."""

    @abstractmethod
    def build(self, channels: int, size: int) -> nn.Module:
        """Return the module for images (N, channels, size, size)."""


class Patched(nn.Module):
    """A network behind space-to-depth: patches of pixels become channels, and back.

    Sides are padded, by repeating the border, until the network sees multiples of `multiple`; its answer is cropped.
    """

    def __init__(self, network: nn.Module, patch: int, multiple: int = 1) -> None:
        """Show `network` images (N, channels patch^2, H / patch, W / patch)."""
        super().__init__()
        self.network, self.patch, self.unit = network, patch, patch * multiple

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Return y (N, C, H, W) for x (N, C, H, W) and times (N,)."""
        height, width = x.shape[-2:]
        padded = functional.pad(x, (0, -width % self.unit, 0, -height % self.unit), mode="replicate")
        patches = functional.pixel_unshuffle(padded, self.patch).contiguous(memory_format=torch.channels_last)
        return functional.pixel_shuffle(self.network(patches, time), self.patch)[..., :height, :width]
