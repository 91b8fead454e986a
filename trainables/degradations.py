"""Degradations: (x0, step, z) -> x_t, what the forward process does to an image.

`draw(x0, source) -> z` is what a corruption needs besides x0, drawn once per image and kept along its whole trajectory;
`D(x0, step, z)` is pure, batched, at a different step for each image, and D(x0, step 0, z) == x0. `prior` draws x_T,
where sampling starts. Kinds compose with "+", in order: "mask+contrast+gaussian". A new degradation is one class and
one line in DEGRADATIONS.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from trainables.domain import Choice, Int, Log, Uniform
from trainables.schedules import Step
from trainables.source import Source

Latent = Any  # a tensor (N, ...), or a tuple of them for a composition


@dataclass(frozen=True)
class Degradation(ABC):
    """One corruption of images; the level of `step` drives it unless a member says otherwise."""

    has_prior: ClassVar[bool] = False

    @abstractmethod
    def draw(self, x0: Tensor, source: Source) -> Latent:
        """Return z for images like x0 (N, C, H, W)."""

    @abstractmethod
    def __call__(self, x0: Tensor, step: Step, z: Latent) -> Tensor:
        """Return x_t (N, C, H, W)."""

    def estimate(self, x_t: Tensor, x0: Tensor, step: Step, z: Latent) -> Latent:
        """Return the z for which D(x0, step, z) == x_t, where the degradation can be solved for it; else z itself."""
        return z

    def prior(self, shape: torch.Size, step: Step, source: Source) -> tuple[Tensor, Latent]:
        """Return (x_T, z) of `shape` (N, C, H, W), drawn without looking at any single image.

        Without a prior of its own (`has_prior`), a degradation gets the normal distribution fitted to degraded images.
        """
        return fitted_prior(self, shape, step, source)


def fitted_prior(
    degradation: Degradation, shape: torch.Size, step: Step, source: Source, images: int = 1024
) -> tuple[Tensor, Latent]:
    """Return (x_T, z), x_T normal with the mean and covariance of `images` degraded training images.

    Sampled as mean + sum_i w_i (x_i - mean) / sqrt(n - 1), w ~ N(0, 1), which needs no factorisation at any image size.
    Where z can be solved for, it is the one that leads from the mean training image to x_T.
    """
    x0 = source.images(images)
    at = Step(*(part[:1].expand(images) for part in step))
    degraded = degradation(x0, at, degradation.draw(x0, source)).flatten(1)
    mean = degraded.mean(0)
    weights = source.normal(torch.Size((shape[0], images))) / (images - 1) ** 0.5
    x_T = (mean + weights @ (degraded - mean)).view(shape)
    return x_T, degradation.estimate(x_T, x0.mean(0, keepdim=True).expand(shape), step, degradation.draw(x_T, source))


@dataclass(frozen=True)
class Overlay(Degradation):
    """x_t = kept x0 + level z: z comes over x0, of which sqrt(alpha_bar) is kept unless a member says otherwise."""

    has_prior: ClassVar[bool] = True

    def kept(self, at: Step) -> Tensor:
        """Return the share of x0 in x_t, of the shape of `at.level`."""
        return at.signal

    def __call__(self, x0: Tensor, step: Step, z: Tensor) -> Tensor:
        """Return x_t (N, C, H, W)."""
        at = step.over(x0)
        return self.kept(at) * x0 + at.level * z

    def estimate(self, x_t: Tensor, x0: Tensor, step: Step, z: Tensor) -> Tensor:
        """Return the z (N, C, H, W) that leads from x0 to x_t."""
        at = step.over(x0)
        return (x_t - self.kept(at) * x0) / at.level

    def prior(self, shape: torch.Size, step: Step, source: Source) -> tuple[Tensor, Tensor]:
        """Return nothing but overlay: x_T is z, as `source` draws it."""
        z = self.draw(torch.empty(shape, device=source.generator.device), source)
        return z, z


@dataclass(frozen=True)
class Gaussian(Overlay):
    """x_t = sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) z, z standard normal (Ho et al. 2020, eq. 4)."""

    def draw(self, x0: Tensor, source: Source) -> Tensor:
        """Return standard normal noise z (N, C, H, W)."""
        return source.normal(x0.shape)


@dataclass(frozen=True)
class Noise(Degradation):
    """x_t = x0 + sigma level z: some noise on top of another corruption, which gives cold sampling its diversity."""

    sigma: Annotated[float, Log(0.01, 1)] = 0.15

    def draw(self, x0: Tensor, source: Source) -> Tensor:
        """Return standard normal noise z (N, C, H, W)."""
        return source.normal(x0.shape)

    def __call__(self, x0: Tensor, step: Step, z: Tensor) -> Tensor:
        """Return x_t (N, C, H, W)."""
        return x0 + self.sigma * step.over(x0).level * z


@dataclass(frozen=True)
class Morph(Overlay):
    """x_t = sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) f, f a Fashion-MNIST image (Siddiquei; Bansal 2022)."""

    def draw(self, x0: Tensor, source: Source) -> Tensor:
        """Return one overlay image per image, (N, C, H, W)."""
        return source.overlays(x0.shape)


@dataclass(frozen=True)
class PseudoQR(Overlay):
    """x_t = (1 - level) x0 + level q, q a random black-and-white pattern of `block` x `block` pixels (Grivot)."""

    block: Annotated[int, Choice(1, 2, 4, 7)] = 1

    def draw(self, x0: Tensor, source: Source) -> Tensor:
        """Return one pattern per image with values {low, high}, (N, C, H, W); colour channels share it."""
        n, channels, height, width = x0.shape
        cells = torch.Size((n, 1, -(-height // self.block), -(-width // self.block)))
        bits = (source.uniform(cells) < 0.5).to(x0.dtype)
        bits = bits.repeat_interleave(self.block, 2).repeat_interleave(self.block, 3)[..., :height, :width]
        return (source.low + (source.high - source.low) * bits).expand(n, channels, height, width)

    def kept(self, at: Step) -> Tensor:
        """Return 1 - level."""
        return 1 - at.level


@dataclass(frozen=True)
class Mask(Degradation):
    """int(1 + count i) squares of side int(3 + i H growth) zeroed at random; i = t / T, not the level (Grivot)."""

    count: Annotated[int, Int(1, 16)] = 5
    growth: Annotated[float, Uniform(0.05, 0.5)] = 0.25

    def draw(self, x0: Tensor, source: Source) -> Tensor:
        """Return the squares' relative places, (N, count + 1, 2) in [0, 1)."""
        return source.uniform(torch.Size((x0.shape[0], self.count + 1, 2)))

    def __call__(self, x0: Tensor, step: Step, z: Tensor) -> Tensor:
        """Return x0 with the squares of its step zeroed, (N, C, H, W)."""
        height, width = x0.shape[-2:]
        i = step.time[:, None]
        side = (3 + i * height * self.growth).floor().clamp(max=min(height, width))
        active = torch.arange(self.count + 1, device=x0.device) < (1 + self.count * i).floor()
        rows = _inside(z[..., 0], side, height)
        columns = _inside(z[..., 1], side, width)
        squares = rows[..., :, None] & columns[..., None, :] & (active & (i > 0))[..., None, None]
        return x0.masked_fill(squares.any(1)[:, None], 0.0)


def _inside(place: Tensor, side: Tensor, size: int) -> Tensor:
    """Return (N, K, size): which coordinates lie within `side` (N, 1) pixels from the relative `place` (N, K)."""
    start = (place * (size - side + 1)).floor()[..., None]
    at = torch.arange(size, device=place.device)
    return (at >= start) & (at < start + side[..., None])


@dataclass(frozen=True)
class Contrast(Degradation):
    """Contrast about the mean by U[1 - h, 1 + h], h = start + growth i; i = t / T, not the level (Grivot).

    With his start of 0.5 the first step already changes an image visibly; start 0 makes the change continuous.
    """

    start: Annotated[float, Uniform(0, 0.5)] = 0.5
    growth: Annotated[float, Uniform(0, 1)] = 0.5

    def draw(self, x0: Tensor, source: Source) -> Tensor:
        """Return where in its range each image's factor lies, (N, 1, 1, 1) in [0, 1)."""
        return source.uniform(torch.Size((x0.shape[0], 1, 1, 1)))

    def __call__(self, x0: Tensor, step: Step, z: Tensor) -> Tensor:
        """Return x_t (N, C, H, W)."""
        i = step.over(x0).time
        factor = torch.where(i > 0, 1 + (self.start + self.growth * i) * (2 * z - 1), 1.0)
        mean = x0.mean((1, 2, 3), keepdim=True)
        return torch.where(i > 0, mean + factor * (x0 - mean), x0)


@dataclass(frozen=True)
class Chain(Degradation):
    """Degradations applied in order; its z is the tuple of theirs."""

    parts: tuple[Degradation, ...]

    def draw(self, x0: Tensor, source: Source) -> tuple[Latent, ...]:
        """Return each part's z."""
        return tuple(part.draw(x0, source) for part in self.parts)

    def __call__(self, x0: Tensor, step: Step, z: tuple[Latent, ...]) -> Tensor:
        """Return x_t (N, C, H, W)."""
        return apply_parts(self.parts, x0, step, z)

    def estimate(self, x_t: Tensor, x0: Tensor, step: Step, z: tuple[Latent, ...]) -> tuple[Latent, ...]:
        """Return z with the last part's replaced by the one that leads to x_t."""
        before = apply_parts(self.parts[:-1], x0, step, z)
        return (*z[:-1], self.parts[-1].estimate(x_t, before, step, z[-1]))

    def prior(self, shape: torch.Size, step: Step, source: Source) -> tuple[Tensor, tuple[Latent, ...]]:
        """Return the prior of the last part that has one, degraded by the parts after it."""
        own = [k for k, part in enumerate(self.parts) if part.has_prior]
        if not own:
            return fitted_prior(self, shape, step, source)
        x_T, z_own = self.parts[own[-1]].prior(shape, step, source)
        z = [part.draw(x_T, source) for part in self.parts]
        z[own[-1]] = z_own
        return apply_parts(self.parts[own[-1] + 1 :], x_T, step, z[own[-1] + 1 :]), tuple(z)


def apply_parts(parts: tuple[Degradation, ...], x: Tensor, step: Step, z: Any) -> Tensor:
    """Return x (N, C, H, W) after each of `parts` in turn."""
    for part, own in zip(parts, z, strict=False):
        x = part(x, step, own)
    return x


DEGRADATIONS: dict[str, type[Degradation]] = {
    "gaussian": Gaussian,
    "noise": Noise,
    "morph": Morph,
    "pseudo_qr": PseudoQR,
    "mask": Mask,
    "contrast": Contrast,
}
