"""The starter's convolutional network, which most reports of the literature trained."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import torch
from torch import Tensor, nn

from trainables.domain import Choice, Widths, widths
from trainables.networks.base import ACTIVATIONS, Network, Patched
from trainables.networks.codes import TimeCode
from trainables.networks.norms import NORMS


@dataclass(frozen=True)
class CNN(Network):
    """The starter's convolutional network: blocks of Conv2d, layer normalisation and activation at one resolution.

    With `patch` 2 it sees 2 x 2 patches as channels, a quarter of the pixels: 2.7 times the images per second
    (tests/benchmarks/networks.py). With `patch` 1 and `norm` over the image, (C, H, W), it is the starter itself.
    Patches of 4 x 4 need equal widths of 32 or more: a first block of 16 would lose some of their pixels.
    """

    widths: Annotated[str, Widths(2)] = "16-32-32-16"
    kernel: Annotated[int, Choice(3, 5, 7, 9)] = 7
    norm: Annotated[str, Choice(*NORMS)] = "image"
    activation: Annotated[str, Choice(*ACTIVATIONS)] = "gelu"
    patch: Annotated[int, Choice(1, 2, 4)] = 2

    def build(self, channels: int, size: int, classes: int = 0) -> nn.Module:
        """Return the module for images (N, channels, size, size) and `classes`, see `Network.build`."""
        return Patched(_CNN(self, channels * self.patch**2, -(-size // self.patch), classes), self.patch)


class _CNN(nn.Module):
    def __init__(self, config: CNN, channels: int, size: int, classes: int) -> None:
        super().__init__()
        activation = ACTIVATIONS[config.activation]
        sizes = [channels, *widths(config.widths)]
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(before, after, config.kernel, padding=config.kernel // 2),
                NORMS[config.norm](after, size),
                activation(),
            )
            for before, after in pairwise(sizes)
        )
        self.time = TimeCode(sizes[1], activation, classes)
        self.last = nn.Conv2d(sizes[-1], channels, 3, padding=1)

    def forward(self, x: Tensor, time: Tensor, label: Tensor | None = None) -> Tensor:
        first, *rest = self.blocks
        x = first(x)
        # Spread over the pixels first: to add 16 numbers at a time, as broadcasting does, takes five times as long.
        code = self.time(time, label)[:, :, None, None]
        x = x + code.expand_as(x).contiguous(memory_format=torch.channels_last)
        for block in rest:
            x = block(x)
        return self.last(x)
