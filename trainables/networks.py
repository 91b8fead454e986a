"""Networks: (x_t, t / T) -> y, the model's guess of its target, of x_t's shape.

A network is described by a frozen dataclass of its hyperparameters; `build` makes the module. Activations stay in NHWC
order throughout: layer normalisation then needs no copies.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainables.domain import Choice, Widths, widths

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
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

TIME_FREQUENCIES = 16
TIME_WIDTH = 128


@dataclass(frozen=True)
class Network(ABC):
    """A network for images of given channels and side."""

    @abstractmethod
    def build(self, channels: int, size: int) -> nn.Module:
        """Return the module for images (N, channels, size, size)."""


class TimeCode(nn.Module):
    """t / T (N,) -> (N, out): sin and cos - 1 of 16 frequencies, then an MLP 32-128-128-128-out (the starter's)."""

    frequencies: Tensor

    def __init__(self, out: int, activation: Callable[[], nn.Module]) -> None:
        """Make the MLP with `activation` between its layers."""
        super().__init__()
        powers = 2 * math.pi * 1.5 ** torch.arange(TIME_FREQUENCIES - 1)
        self.register_buffer("frequencies", torch.cat([torch.zeros(1), powers]), persistent=False)
        sizes = [2 * TIME_FREQUENCIES, TIME_WIDTH, TIME_WIDTH, TIME_WIDTH, out]
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), activation()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, time: Tensor) -> Tensor:
        """Return the code (N, out) of times (N,)."""
        angle = time[:, None] * self.frequencies
        return self.layers(torch.cat([angle.sin(), angle.cos() - 1], 1))


class ImageNorm(nn.LayerNorm):
    """Layer normalisation of images (N, C, H, W) over all of C, H, W, with a weight per element."""

    def __init__(self, channels: int, size: int) -> None:
        """Normalise images (N, channels, size, size)."""
        super().__init__([size, size, channels])

    def forward(self, x: Tensor) -> Tensor:
        """Return x normalised, in NHWC order."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation of images (N, C, H, W) over C, at each pixel."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x normalised, in NHWC order."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class CNN(Network):
    """The starter's convolutional network: blocks of Conv2d, LayerNorm over (C, H, W) and activation at one resolution.

    With `patch` 2 it sees 2 x 2 patches as channels, a quarter of the pixels: five times the images per second
    (tests/benchmarks/networks.py). With 1 it is the starter itself.
    """

    widths: Annotated[str, Widths(2)] = "16-32-32-16"
    kernel: Annotated[int, Choice(3, 5, 7, 9)] = 7
    activation: Annotated[str, Choice(*ACTIVATIONS)] = "gelu"
    patch: Annotated[int, Choice(1, 2)] = 2

    def build(self, channels: int, size: int) -> nn.Module:
        """Return the module for images (N, channels, size, size)."""
        return _Patched(_CNN(self, channels * self.patch**2, -(-size // self.patch)), self.patch)


class _CNN(nn.Module):
    def __init__(self, config: CNN, channels: int, size: int) -> None:
        super().__init__()
        activation = ACTIVATIONS[config.activation]
        sizes = [channels, *widths(config.widths)]
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(before, after, config.kernel, padding=config.kernel // 2),
                ImageNorm(after, size),
                activation(),
            )
            for before, after in pairwise(sizes)
        )
        self.time = TimeCode(sizes[1], activation)
        self.last = nn.Conv2d(sizes[-1], channels, 3, padding=1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        first, *rest = self.blocks
        x = first(x) + self.time(time)[:, :, None, None]
        for block in rest:
            x = block(x)
        return self.last(x)


@dataclass(frozen=True)
class UNet(Network):
    """A small U-Net on 2 x 2 patches: a residual block and a down-sampling per width, then back up with skips."""

    widths: Annotated[str, Widths(1, 4)] = "32-64"
    activation: Annotated[str, Choice(*ACTIVATIONS)] = "gelu"
    patch: Annotated[int, Choice(1, 2)] = 2

    def build(self, channels: int, size: int) -> nn.Module:
        """Return the module for images (N, channels, size, size)."""
        return _Patched(_UNet(self, channels * self.patch**2), self.patch)


class _Residual(nn.Module):
    """Norm, activation, convolution, plus the time code; norm, activation, convolution; plus the input."""

    def __init__(self, before: int, after: int, code: int, activation: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.norm_in, self.norm_out = ChannelNorm(before), ChannelNorm(after)
        self.activation = activation()
        self.conv_in = nn.Conv2d(before, after, 3, padding=1)
        self.conv_out = nn.Conv2d(after, after, 3, padding=1)
        self.code = nn.Linear(code, after)
        self.skip = nn.Conv2d(before, after, 1) if before != after else nn.Identity()

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        y = self.conv_in(self.activation(self.norm_in(x))) + self.code(code)[:, :, None, None]
        return self.skip(x) + self.conv_out(self.activation(self.norm_out(y)))


class _UNet(nn.Module):
    def __init__(self, config: UNet, channels: int) -> None:
        super().__init__()
        activation = ACTIVATIONS[config.activation]
        sizes = widths(config.widths)
        self.time = TimeCode(TIME_WIDTH, activation)
        self.first = nn.Conv2d(channels, sizes[0], 3, padding=1)
        self.down = nn.ModuleList(_Residual(w, w, TIME_WIDTH, activation) for w in sizes)
        self.shrink = nn.ModuleList(nn.Conv2d(w, wider, 3, stride=2, padding=1) for w, wider in pairwise(sizes))
        self.middle = _Residual(sizes[-1], sizes[-1], TIME_WIDTH, activation)
        self.up = nn.ModuleList(_Residual(2 * w, w, TIME_WIDTH, activation) for w in reversed(sizes))
        self.grow = nn.ModuleList(
            nn.Conv2d(wider, w, 1) for w, wider in zip(reversed(sizes[:-1]), reversed(sizes[1:]), strict=True)
        )
        self.norm = ChannelNorm(sizes[0])
        self.activation = activation()
        self.last = nn.Conv2d(sizes[0], channels, 3, padding=1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        code = self.time(time)
        x, skips = self.first(x), []
        for level, block in enumerate(self.down):
            x = block(self.shrink[level - 1](x) if level else x, code)
            skips.append(x)
        x = self.middle(x, code)
        for level, block in enumerate(self.up):
            if level:
                x = functional.interpolate(self.grow[level - 1](x), size=skips[-1].shape[-2:], mode="nearest")
            x = block(torch.cat([x, skips.pop()], 1), code)
        return self.last(self.activation(self.norm(x)))


class _Patched(nn.Module):
    """A network behind space-to-depth: patches of pixels become channels, and back; sides are padded to fit."""

    def __init__(self, network: nn.Module, patch: int) -> None:
        super().__init__()
        self.network, self.patch = network, patch

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        padded = functional.pad(x, (0, -width % self.patch, 0, -height % self.patch), mode="replicate")
        patches = functional.pixel_unshuffle(padded, self.patch).contiguous(memory_format=torch.channels_last)
        return functional.pixel_shuffle(self.network(patches, time), self.patch)[..., :height, :width]


NETWORKS: dict[str, type[Network]] = {"cnn": CNN, "unet": UNet}
