"""Degradations of the weather: snow."""

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional

from trainables.diffusion.degradations.base import Degradation
from trainables.diffusion.schedules import Step
from trainables.diffusion.source import Source
from trainables.domain import Uniform

# A flake fades in over this share of the image's snow, so that x_t is continuous in sigma.
SOFT = 0.1


@dataclass(frozen=True)
class Snow(Degradation):
    """White flakes over x0, on `cover` of the pixels at sigma 1 (after Hendrycks & Dietterich 2019; Bansal 2022).

    Flakes are where normal noise, blurred along a direction within 45 degrees of the vertical, exceeds a threshold that
    falls with sigma. Unlike there, the blur comes before the threshold, so that a flake stays in its place and grows.
    """

    cover: Annotated[float, Uniform(0.3, 0.95)] = 0.8

    def draw(self, x0: Tensor, source: Source) -> Tensor:
        """Return (N, 2, H, W): the share of all snow that falls before a pixel's, uniform in [0, 1], and white."""
        n, _, height, width = x0.shape
        kernel = _streaks(math.pi * (source.uniform(torch.Size((n,))) / 2 - 0.25), radius=-(-min(height, width) // 10))
        reach = kernel.shape[-1] - 1
        noise = source.normal(torch.Size((1, n, height + reach, width + reach)))
        before = torch.special.ndtr(functional.conv2d(noise, kernel, groups=n)).view(n, 1, height, width)
        return torch.cat([before, torch.full_like(before, source.pixels.high)], 1)

    def __call__(self, x0: Tensor, step: Step, z: Tensor) -> Tensor:
        """Return x_t (N, C, H, W) of x0's dtype."""
        before, white = z[:, :1], z[:, 1:]
        snow = ((self.cover * step.over(x0).sigma - before) / SOFT).clamp(0, 1)
        return torch.lerp(x0.float(), white, snow).to(x0.dtype)


def _streaks(angle: Tensor, radius: int) -> Tensor:
    """Return kernels (N, 1, S, S), S = 2 radius + 1, of squared sum 1: lines at `angle` (N,) from the vertical."""
    at = torch.arange(-radius, radius + 1, device=angle.device, dtype=angle.dtype)
    sine, cosine = angle.sin()[:, None, None], angle.cos()[:, None, None]
    along, aside = at[:, None] * cosine + at * sine, at * cosine - at[:, None] * sine
    # A standard deviation of half a pixel across, and half the radius along.
    kernel = torch.exp(-2 * aside**2 - 2 * (along / radius) ** 2)
    return (kernel / kernel.square().sum((1, 2), keepdim=True).sqrt())[:, None]


WEATHER: dict[str, type[Degradation]] = {
    "snow": Snow,
}
