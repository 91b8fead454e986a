"""The U-Net of van der Woude, Lukkien and van Dijke, who trained it on Fruits-360."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainables.domain import Choice, ConfigError, Widths, widths
from trainables.networks.attention import Attention
from trainables.networks.base import ACTIVATIONS, Activation, Network, Patched
from trainables.networks.codes import LabelCode, Sinusoids
from trainables.networks.norms import ChannelNorm

HEADS = 4


@dataclass(frozen=True)
class FruitsUNet(Network):
    """U-Net of double convolutions with GroupNorm(1), max-pooling, bilinear up-sampling and attention at the bottom.

    The defaults are the authors': three times down and up, with attention at 12 x 12 pixels for images of 100. An up
    block has the width of two resolutions higher, which makes 64-32-32.
    """

    widths: Annotated[str, Widths(2, 5)] = "32-64-128-128"
    attention: Annotated[bool, Choice(True, False)] = True
    activation: Annotated[str, Choice(*ACTIVATIONS)] = "gelu"
    patch: Annotated[int, Choice(1, 2)] = 1

    def build(self, channels: int, size: int, classes: int = 0) -> nn.Module:
        """Return the module for images (N, channels, size, size) and `classes`, see `Network.build`.

        Raises:
            ConfigError: the images are too small to be halved once for each width but the first.
        """
        halvings = len(widths(self.widths)) - 1
        if -(-size // self.patch) < 2**halvings:
            raise ConfigError(
                f"network/fruits_unet/widths={self.widths} halves the side {halvings} times: images of {size} pixels "
                f"are too small, at least {(2**halvings - 1) * self.patch + 1} or fewer widths"
            )
        return Patched(_FruitsUNet(self, channels * self.patch**2, classes), self.patch)


class _Double(nn.Sequential):
    """3 x 3 convolution to `middle` channels, norm, activation, 3 x 3 convolution, norm; the norms have one group."""

    def __init__(self, before: int, middle: int, after: int, activation: Activation) -> None:
        super().__init__(
            nn.Conv2d(before, middle, 3, padding=1, bias=False),
            nn.GroupNorm(1, middle),
            activation(),
            nn.Conv2d(middle, after, 3, padding=1, bias=False),
            nn.GroupNorm(1, after),
        )


class _Block(nn.Module):
    """A residual double convolution, an activation, a double convolution, plus the code of time and label."""

    def __init__(self, before: int, middle: int, after: int, activation: Activation, classes: int) -> None:
        super().__init__()
        self.residual = _Double(before, before, before, activation)
        self.activation = activation()
        self.change = _Double(before, middle, after, activation)
        self.width, self.time = after, Sinusoids(1e4 ** (-torch.arange(0, after, 2) / after))
        self.label = LabelCode(classes, after) if classes else None

    def forward(self, x: Tensor, time: Tensor, label: Tensor | None) -> Tensor:
        x = self.change(self.activation(x + self.residual(x)))
        code = self.time(1000 * time - 1)[:, : self.width]  # the step counted from 0, as with T = 1000
        code = code if self.label is None else code + self.label(label)
        return x + code[:, :, None, None]


class _FeedForward(nn.Module):
    """Each pixel of x plus a two-layer network of its normalised channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            ChannelNorm(channels), nn.Conv2d(channels, channels, 1), nn.GELU(), nn.Conv2d(channels, channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class _FruitsUNet(nn.Module):
    def __init__(self, config: FruitsUNet, channels: int, classes: int) -> None:
        super().__init__()
        activation, sizes = ACTIVATIONS[config.activation], widths(config.widths)
        bottom = sizes[-1]
        self.first = _Double(channels, sizes[0], sizes[0], activation)
        self.down = nn.ModuleList(_Block(w, deeper, deeper, activation, classes) for w, deeper in pairwise(sizes))
        self.attention = nn.Sequential()
        if config.attention:
            self.attention.append(Attention(bottom, HEADS, max(1, bottom // HEADS), bias=True))
            self.attention.append(_FeedForward(bottom))
        self.up, below = nn.ModuleList(), bottom
        for level in reversed(range(len(sizes) - 1)):
            joined, after = sizes[level] + below, sizes[max(level - 1, 0)]
            self.up.append(_Block(joined, joined // 2, after, activation, classes))
            below = after
        self.last = nn.Conv2d(sizes[0], channels, 1)

    def forward(self, x: Tensor, time: Tensor, label: Tensor | None = None) -> Tensor:
        x, skips = self.first(x), []
        for block in self.down:
            skips.append(x)
            x = block(functional.max_pool2d(x, 2), time, label)
        x = self.attention(x)
        for block in self.up:
            skip = skips.pop()
            x = block(torch.cat([skip, _enlarged(x, skip.shape[-2:])], 1), time, label)
        return self.last(x)


def _enlarged(x: Tensor, size: torch.Size) -> Tensor:
    """Return x (N, C, H, W) at twice the side, with zeros around it where `size` is a pixel more."""
    x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
    rows, columns = size[0] - x.shape[-2], size[1] - x.shape[-1]
    return functional.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
