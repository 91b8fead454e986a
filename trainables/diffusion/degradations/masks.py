"""Degradations that hide parts of an image: by squares, by a growing soft hole, by a colour, by snow."""

import functools
import math
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
class Mask(Degradation):
    """int(1 + count i) squares set to 0, of size s = int(3 + i H growth), i = t / T (Grivot).

    The centre of a square is any pixel, its side is 2 (s // 2) + 1, and it is cut at the border of the image.
    """

    count: Annotated[int, Int(1, 16)] = 5
    growth: Annotated[float, Uniform(0.05, 0.5)] = 0.25

    def draw(self, x0: Tensor, source: Source) -> Tensor:
        """Return the relative places of the squares' centres, (N, count + 1, 2) in [0, 1)."""
        return source.uniform(torch.Size((x0.shape[0], self.count + 1, 2)))

    def __call__(self, x0: Tensor, step: Step, z: Tensor) -> Tensor:
        """Return x0 with the squares of its step set to 0, (N, C, H, W)."""
        height, width = x0.shape[-2:]
        i = step.time[:, None]
        reach = (3 + i * height * self.growth).floor().div(2, rounding_mode="floor")
        active = torch.arange(self.count + 1, device=x0.device) < (1 + self.count * i).floor()
        rows = _near(z[..., 0], reach, height)
        columns = _near(z[..., 1], reach, width)
        squares = rows[..., :, None] & columns[..., None, :] & (active & (i > 0))[..., None, None]
        return x0.masked_fill(squares.any(1)[:, None], 0.0)


def _near(place: Tensor, reach: Tensor, size: int) -> Tensor:
    """Return whether each coordinate is at most `reach` (N, 1) pixels from `place` (N, K), bool (N, K, size)."""
    centre = (place * size).floor()[..., None]
    return (torch.arange(size, device=place.device) - centre).abs() <= reach[..., None]


# Stages of a hole's growth, linearly interpolated. Bansal's inpainting of MNIST has T = 50.
STAGES = 50


@dataclass(frozen=True)
class Inpaint(Degradation):
    """x_t = x0 m, m a soft hole around a place drawn per image, which grows with t / T (Bansal 2022).

    m is the product of t inverted Gaussians, 1 - exp(-r^2 / 2 s^2), whose s grows to `width` of the longer side: for
    MNIST from 1.1 to 6 of 28 pixels in 50 steps.
    """

    width: Annotated[float, Uniform(0.1, 0.5)] = 0.21

    def draw(self, x0: Tensor, source: Source) -> Tensor:
        """Return the relative places of the holes, (N, 2) in [0, 1)."""
        return source.uniform(torch.Size((len(x0), 2)))

    def __call__(self, x0: Tensor, step: Step, z: Tensor) -> Tensor:
        """Return x_t (N, C, H, W) of x0's dtype."""
        height, width = x0.shape[-2:]
        last = self.width * max(height, width)
        stages = _holes(2 * height - 1, 2 * width - 1, 11 / 60 * last, last, 1, x0.device)
        # The hole of `stages` lies in the middle of a canvas of twice the size; the place selects a window of it.
        row, column = (
            (size - 1 - (z[:, k] * size).long())[:, None] + torch.arange(size, device=x0.device)
            for k, size in enumerate((height, width))
        )
        kept = _between(stages, step.time, row[:, :, None], column[:, None, :])
        return (x0 * kept[:, None]).to(x0.dtype)


@dataclass(frozen=True)
class Fade(Degradation):
    """x_t = c + m (x0 - c): a colour c covers the image from the border inwards over t / T (Bansal 2022).

    m is the mask of Bansal's generation by defading: a centred hole as in inpainting, of 15 times as many Gaussians
    (T = 750), with s from 0 to 0.29 of the side, run backwards, so that x_T is the colour alone.
    """

    width: Annotated[float, Uniform(0.2, 0.6)] = 0.29

    def draw(self, x0: Tensor, source: Source) -> Tensor:
        """Return one colour per image, (N, C, 1, 1), uniform over the middle half of the range."""
        return source.pixels.grey(0.25 + 0.5 * source.uniform(torch.Size((*x0.shape[:2], 1, 1))))

    def __call__(self, x0: Tensor, step: Step, z: Tensor) -> Tensor:
        """Return x_t (N, C, H, W) of x0's dtype."""
        height, width = x0.shape[-2:]
        last = self.width * max(height, width)
        stages = _holes(height, width, 0.5 / STAGES * last, last, 15, x0.device)
        row, column = (torch.arange(size, device=x0.device) for size in (height, width))
        covered = _between(stages, 1 - step.time, row[:, None], column)[:, None]
        return torch.where(step.over(x0).time > 0, torch.lerp(x0.float(), z.float(), covered).to(x0.dtype), x0)

    def prior(self, shape: torch.Size, step: Step, source: Source) -> tuple[Tensor, Tensor]:
        """Return images of one colour, and the colours."""
        z = self.draw(torch.empty(shape, device=source.generator.device), source)
        return z.expand(shape).contiguous(), z


@functools.lru_cache(maxsize=8)
def _holes(height: int, width: int, first: float, last: float, power: int, device: torch.device) -> Tensor:
    """Return the share of x0 that is left after each stage, (STAGES + 1, height, width), ones at stage 0.

    A stage multiplies by `power` inverted Gaussians of one s, and s grows linearly from `first` to `last` pixels.
    """
    row, column = (torch.arange(size, dtype=torch.float64) - (size - 1) / 2 for size in (height, width))
    distance = row[:, None] ** 2 + column**2
    s = torch.linspace(first, last, STAGES, dtype=torch.float64)[:, None, None]
    left = (1 - torch.exp(-distance / (2 * s**2))).pow(power).cumprod(0)
    return torch.cat([torch.ones_like(left[:1]), left]).float().to(device)


def _between(stages: Tensor, time: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Return the values (N, H, W) of the stages at `row` and `column`, interpolated linearly to `time` (N,)."""
    at = time * STAGES
    before = at.floor().clamp(max=STAGES - 1)
    index, weight = before.long()[:, None, None], (at - before)[:, None, None]
    return torch.lerp(stages[index, row, column], stages[index + 1, row, column], weight)


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
