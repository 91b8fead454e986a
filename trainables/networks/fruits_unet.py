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

HEADS = 4
CODE_WIDTH = 256  # the report gives none; 256 is what the code it resembles uses


@dataclass(frozen=True)
class FruitsUNet(Network):
    """U-Net of double convolutions with GroupNorm(1), max-pooling, bilinear up-sampling and attention at the bottom.

    The defaults are the report's: three times down and up, four heads of attention at 12 x 12 pixels for images of 100.
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
    """Twice: 3 x 3 convolution, group normalisation with one group, activation."""

    def __init__(self, before: int, after: int, activation: Activation) -> None:
        layers: list[nn.Module] = []
        for channels in (before, after):
            layers += [nn.Conv2d(channels, after, 3, padding=1), nn.GroupNorm(1, after), activation()]
        super().__init__(*layers)


class _FruitsUNet(nn.Module):
    def __init__(self, config: FruitsUNet, channels: int, classes: int) -> None:
        super().__init__()
        activation, sizes = ACTIVATIONS[config.activation], widths(config.widths)
        self.time = Sinusoids(CODE_WIDTH)
        self.label = LabelCode(classes, CODE_WIDTH) if classes else None
        self.first = _Double(channels, sizes[0], activation)
        self.down = nn.ModuleList(_Double(w, deeper, activation) for w, deeper in pairwise(sizes))
        self.codes_down = nn.ModuleList(nn.Linear(CODE_WIDTH, deeper) for deeper in sizes[1:])
        bottom = sizes[-1]
        self.attention = Attention(bottom, HEADS, max(1, bottom // HEADS)) if config.attention else nn.Identity()
        self.up = nn.ModuleList(_Double(deeper + w, w, activation) for deeper, w in pairwise(reversed(sizes)))
        self.codes_up = nn.ModuleList(nn.Linear(CODE_WIDTH, w) for w in reversed(sizes[:-1]))
        self.last = nn.Conv2d(sizes[0], channels, 1)

    def forward(self, x: Tensor, time: Tensor, label: Tensor | None = None) -> Tensor:
        code = self.time(time) if self.label is None else self.time(time) + self.label(label)
        x, skips = self.first(x), []
        for block, linear in zip(self.down, self.codes_down, strict=True):
            skips.append(x)
            x = block(functional.max_pool2d(x, 2)) + linear(code)[:, :, None, None]
        x = self.attention(x)
        for block, linear in zip(self.up, self.codes_up, strict=True):
            skip = skips.pop()
            x = functional.interpolate(x, size=skip.shape[-2:], mode="bilinear")
            x = block(torch.cat([x, skip], 1)) + linear(code)[:, :, None, None]
        return self.last(x)
