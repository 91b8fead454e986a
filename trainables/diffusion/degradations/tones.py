"""Degradations of the tones of an image: its contrast, everywhere or by place."""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional

from trainables.diffusion.degradations.base import Degradation
from trainables.diffusion.schedules import Step
from trainables.diffusion.source import Source
from trainables.domain import Int, Uniform


@dataclass(frozen=True)
class Contrast(Degradation):
    """Contrast about the mean, scaled by U[1 - h, 1 + h] with h = start + growth t / T (Grivot).

    With Grivot's start of 0.5 the first step already changes an image visibly; with start 0 the change is continuous.
    """

    start: Annotated[float, Uniform(0, 0.5)] = 0.5
    growth: Annotated[float, Uniform(0, 1)] = 0.5

    def draw(self, x0: Tensor, source: Source) -> Tensor:
        """Return the place of each factor in its range, (N, 1, 1, 1) in [0, 1)."""
        return source.uniform(torch.Size((x0.shape[0], 1, 1, 1)))

    def __call__(self, x0: Tensor, step: Step, z: Tensor) -> Tensor:
        """Return x_t (N, C, H, W) of x0's dtype."""
        i = step.over(x0).time
        factor = torch.where(i > 0, 1 + (self.start + self.growth * i) * (2 * z - 1), 1.0)
        mean = x0.float().mean((1, 2, 3), keepdim=True)
        return torch.where(i > 0, mean + factor * (x0 - mean), x0).to(x0.dtype)


@dataclass(frozen=True)
class LocalContrast(Contrast):
    """Contrast about the mean, scaled at each pixel by a smooth map of factors from 1 - h to 1 + h (Grivot's wish).

    h = start + growth t / T, as for `Contrast`. The map is drawn on a grid of `cells` x `cells` points that spans the
    image, and interpolated between them.
    """

    cells: Annotated[int, Int(2, 14)] = 4

    def draw(self, x0: Tensor, source: Source) -> Tensor:
        """Return the place of each factor in its range, a smooth map (N, 1, H, W) in [0, 1)."""
        grid = source.uniform(torch.Size((x0.shape[0], 1, self.cells, self.cells)))
        return functional.interpolate(grid, size=x0.shape[-2:], mode="bilinear", align_corners=True)
