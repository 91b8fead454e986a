"""The U-Net of ConvNeXt blocks and linear attention that Jain trained, from the code of Bansal et al. 2022."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import torch
from torch import Tensor, nn

from trainables.domain import Choice, Widths, widths
from trainables.networks.attention import Attention
from trainables.networks.base import ACTIVATIONS, Activation, Network, Patched
from trainables.networks.codes import LabelCode, Sinusoids
from trainables.networks.norms import plain_image_norm

HEADS, HEAD_WIDTH = 4, 32
EXPANSION = 2


@dataclass(frozen=True)
class ConvNeXtUNet(Network):
    """U-Net of two ConvNeXt blocks (Liu et al. 2022, with 3 x 3 convolutions) and linear attention per resolution.

    Widths are `dim` times `mults`. `attention` "linear" is the original's: linear at each resolution and in the middle;
    "middle" has softmax attention in the middle alone. The time is seen as t / T, in frequencies of at most 1.
    """

    dim: Annotated[int, Choice(16, 32, 64)] = 32
    mults: Annotated[str, Widths(1, 4)] = "1-2-4"
    attention: Annotated[str, Choice("linear", "middle", "none")] = "linear"
    activation: Annotated[str, Choice(*ACTIVATIONS)] = "gelu"
    patch: Annotated[int, Choice(1, 2)] = 1

    def build(self, channels: int, size: int, classes: int = 0) -> nn.Module:
        """Return the module for images (N, channels, size, size) and `classes`, see `Network.build`."""
        halvings = len(widths(self.mults)) - 1
        return Patched(_ConvNeXtUNet(self, channels * self.patch**2, classes), self.patch, multiple=2**halvings)


class _Depthwise(nn.Conv2d):
    """A 7 x 7 convolution of each channel by itself; on a CPU in float32, which is 2.4 to 3 times as fast as bf16."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 7, padding=3, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu":
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float())


class _Pointwise(nn.Linear):
    """A 1 x 1 convolution, as a layer of each pixel: torch's of a single channel answers in NCHW order."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class _Block(nn.Module):
    """7 x 7 depthwise convolution plus the code, norm, 3 x 3 to twice the width, activation, 3 x 3; residual."""

    def __init__(self, before: int, after: int, code: int, activation: Activation) -> None:
        super().__init__()
        self.depthwise = _Depthwise(before)
        self.code = nn.Sequential(activation(), nn.Linear(code, before)) if code else None
        self.layers = nn.Sequential(
            plain_image_norm(before),
            nn.Conv2d(before, EXPANSION * after, 3, padding=1),
            activation(),
            nn.Conv2d(EXPANSION * after, after, 3, padding=1),
        )
        self.skip = _Pointwise(before, after) if before != after else nn.Identity()

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        y = self.depthwise(x)
        if self.code is not None:
            y = y + self.code(code)[:, :, None, None]
        return self.layers(y) + self.skip(x)


def _attention(channels: int, linear: bool) -> nn.Module:
    return Attention(channels, HEADS, HEAD_WIDTH, linear, norm=plain_image_norm)


class _Level(nn.Module):
    """Two blocks and attention at one resolution."""

    def __init__(self, config: ConvNeXtUNet, before: int, after: int) -> None:
        super().__init__()
        activation = ACTIVATIONS[config.activation]
        self.blocks = nn.ModuleList(_Block(width, after, config.dim, activation) for width in (before, after))
        self.attention = _attention(after, linear=True) if config.attention == "linear" else nn.Identity()

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x, code)
        return self.attention(x)


class _ConvNeXtUNet(nn.Module):
    def __init__(self, config: ConvNeXtUNet, channels: int, classes: int) -> None:
        super().__init__()
        activation, dim = ACTIVATIONS[config.activation], config.dim
        sizes = [channels, *(dim * mult for mult in widths(config.mults))]
        bottom = sizes[-1]
        frequencies = torch.logspace(0, -4, dim // 2)  # made for positions that are whole numbers
        self.time = nn.Sequential(
            Sinusoids(frequencies), nn.Linear(dim, 4 * dim), activation(), nn.Linear(4 * dim, dim)
        )
        self.label = LabelCode(classes, dim) if classes else None
        self.down = nn.ModuleList(_Level(config, before, after) for before, after in pairwise(sizes))
        self.shrink = nn.ModuleList(nn.Conv2d(w, w, 4, stride=2, padding=1) for w in sizes[1:-1])
        self.middle = nn.ModuleList(_Block(bottom, bottom, dim, activation) for _ in range(2))
        there = config.attention != "none"
        self.attention = _attention(bottom, linear=config.attention == "linear") if there else nn.Identity()
        self.up = nn.ModuleList(_Level(config, 2 * after, before) for after, before in pairwise(reversed(sizes[1:])))
        self.grow = nn.ModuleList(nn.ConvTranspose2d(w, w, 4, stride=2, padding=1) for w in reversed(sizes[1:-1]))
        self.final = _Block(sizes[1], sizes[1], 0, activation)
        self.last = nn.Conv2d(sizes[1], channels, 1)

    def forward(self, x: Tensor, time: Tensor, label: Tensor | None = None) -> Tensor:
        code = self.time(time) if self.label is None else self.time(time) + self.label(label)
        skips: list[Tensor] = []
        for k, level in enumerate(self.down):
            x = level(self.shrink[k - 1](x) if k else x, code)
            skips.append(x)
        x = self.middle[1](self.attention(self.middle[0](x, code)), code)
        for level, grow in zip(self.up, self.grow, strict=True):
            x = grow(level(torch.cat([x, skips.pop()], 1), code))
        return self.last(self.final(x, code))
