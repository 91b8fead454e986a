"""Codes of time and label: t / T (N,) and labels (N,) -> (N, out), which blocks add to every pixel."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from trainables.networks.base import Activation

TIME_FREQUENCIES = 16
TIME_WIDTH = 128


class LabelCode(nn.Embedding):
    """Labels int64 (N,) -> (N, width); the last of `classes` + 1 vectors is that of an unknown label."""

    def __init__(self, classes: int, width: int) -> None:
        """Draw the vectors from N(0, 0.5^2), the spread of a time code in the first steps of training."""
        super().__init__(classes + 1, width)
        nn.init.normal_(self.weight, std=0.5)


class TimeCode(nn.Module):
    """t / T (N,) -> (N, out): sin and cos - 1 of 16 frequencies, then an MLP 32-128-128-128-out (the starter's).

    With `classes` above 0 the code of a label is added before the last activation.
    """

    frequencies: Tensor

    def __init__(self, out: int, activation: Activation, classes: int = 0) -> None:
        """Make the MLP with `activation` between its layers."""
        super().__init__()
        powers = 2 * math.pi * 1.5 ** torch.arange(TIME_FREQUENCIES - 1)
        self.register_buffer("frequencies", torch.cat([torch.zeros(1), powers]), persistent=False)
        sizes = [2 * TIME_FREQUENCIES, TIME_WIDTH, TIME_WIDTH, TIME_WIDTH, out]
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), activation()]
        self.layers = nn.Sequential(*layers[:-1])
        self.label = LabelCode(classes, TIME_WIDTH) if classes else None

    def forward(self, time: Tensor, label: Tensor | None = None) -> Tensor:
        """Return the code (N, out) of times (N,) and labels int64 (N,)."""
        angle = time[:, None] * self.frequencies
        code = torch.cat([angle.sin(), angle.cos() - 1], 1)
        for k, layer in enumerate(self.layers):
            if self.label is not None and k == len(self.layers) - 2:
                code = code + self.label(label)
            code = layer(code)
        return code


class Sinusoids(nn.Module):
    """Numbers (N,) -> (N, 2 F): sin and cos of each, times F frequencies (Vaswani et al. 2017, section 3.5)."""

    frequencies: Tensor

    def __init__(self, frequencies: Tensor) -> None:
        """Keep the frequencies (F,)."""
        super().__init__()
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the code (N, 2 F) of numbers (N,)."""
        angle = x[:, None] * self.frequencies
        return torch.cat([angle.sin(), angle.cos()], 1)
