"""The interface of degradations: (x0, step, z) -> x_t, the prior of x_T, and composition.

`draw(x0, source)` returns z, what the degradation needs besides x0. It is drawn once per image and stays the same for
all t. `D(x0, step, z)` is pure and batched, with a step for each image, and D(x0, step 0, z) == x0. It computes in
float32 and returns x0's dtype. `prior` draws x_T, where sampling starts.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from trainables.diffusion.schedules import Step
from trainables.diffusion.source import Source

FITTED = 1024  # training images that the default prior is fitted to
Latent = Any  # a tensor (N, ...), or a tuple of them for a composition


@dataclass(frozen=True)
class Degradation(ABC):
    """One corruption of images; `step.sigma` is its strength unless a subclass says otherwise."""

    has_prior: ClassVar[bool] = False
    """Whether the class overrides `prior`."""
    is_solved: ClassVar[bool] = False
    """Whether the class overrides `estimate`."""

    def __init_subclass__(cls) -> None:
        cls.has_prior = cls.prior is not Degradation.prior
        cls.is_solved = cls.estimate is not Degradation.estimate

    @abstractmethod
    def draw(self, x0: Tensor, source: Source) -> Latent:
        """Return z for images like x0 (N, C, H, W)."""

    @abstractmethod
    def __call__(self, x0: Tensor, step: Step, z: Latent) -> Tensor:
        """Return x_t (N, C, H, W) of x0's dtype."""

    def estimate(self, x_t: Tensor, x0: Tensor, step: Step, z: Latent) -> Latent:
        """Return the z for which D(x0, step, z) == x_t; z itself where the degradation cannot be solved for it."""
        return z

    def prior(self, shape: torch.Size, step: Step, source: Source) -> tuple[Tensor, Latent]:
        """Return (x_T, z), x_T of `shape` (N, C, H, W); by default from the normal distribution of degraded images."""
        return fitted_prior(self, shape, step, source)


def fitted_prior(degradation: Degradation, shape: torch.Size, step: Step, source: Source) -> tuple[Tensor, Latent]:
    """Return (x_T, z), x_T normal with the mean and covariance of `FITTED` degraded training images.

    x_T = mean + sum_i w_i (x_i - mean) / sqrt(n - 1) with w ~ N(0, 1), which needs no factorisation of the covariance.
    Where an overlay comes last, z leads from the mean training image to x_T. Else z is drawn, because x_T is not all z.
    """
    x0 = source.images(FITTED)
    at = Step(*(part[:1].expand(FITTED) for part in step))
    degraded = degradation(x0, at, degradation.draw(x0, source)).flatten(1)
    mean = degraded.mean(0)
    weights = source.normal(torch.Size((shape[0], FITTED))) / (FITTED - 1) ** 0.5
    x_T = (mean + weights @ (degraded - mean)).view(shape)
    z, last = degradation.draw(x_T, source), degradation.parts[-1] if isinstance(degradation, Chain) else degradation
    if isinstance(last, Overlay):
        z = degradation.estimate(x_T, x0.mean(0, keepdim=True).expand(shape), step, z)
    return x_T, z


@dataclass(frozen=True)
class Overlay(Degradation):
    """x_t = alpha x0 + sigma z, with alpha = sqrt(alpha_bar) unless a subclass says otherwise."""

    def alpha(self, step: Step) -> Tensor:
        """Return the factor of x0 in x_t, of the shape of `step.sigma`."""
        return step.alpha

    def __call__(self, x0: Tensor, step: Step, z: Tensor) -> Tensor:
        """Return x_t (N, C, H, W) of x0's dtype."""
        at = step.over(x0)
        return (self.alpha(at) * x0 + at.sigma * z).to(x0.dtype)

    def estimate(self, x_t: Tensor, x0: Tensor, step: Step, z: Tensor) -> Tensor:
        """Return the z (N, C, H, W) that leads from x0 to x_t."""
        at = step.over(x0)
        return (x_t - self.alpha(at) * x0) / at.sigma

    def prior(self, shape: torch.Size, step: Step, source: Source) -> tuple[Tensor, Tensor]:
        """Return (z, z), z as `source` draws it: at T only the overlay is left."""
        z = self.draw(torch.empty(shape, device=source.generator.device), source)
        return z, z


@dataclass(frozen=True)
class LinearInterpolant(Overlay):
    """x_t = (1 - sigma) x0 + sigma z: the straight line from x0 to z, with dx_t / dsigma = z - x0."""

    def alpha(self, step: Step) -> Tensor:
        """Return 1 - sigma."""
        return 1 - step.sigma


@dataclass(frozen=True)
class Chain(Degradation):
    """Degradations applied in order; z is the tuple of their z."""

    parts: tuple[Degradation, ...]

    def draw(self, x0: Tensor, source: Source) -> tuple[Latent, ...]:
        """Return each part's z."""
        return tuple(part.draw(x0, source) for part in self.parts)

    def __call__(self, x0: Tensor, step: Step, z: tuple[Latent, ...]) -> Tensor:
        """Return x_t (N, C, H, W) of x0's dtype."""
        return apply_parts(self.parts, x0, step, z)

    def estimate(self, x_t: Tensor, x0: Tensor, step: Step, z: tuple[Latent, ...]) -> tuple[Latent, ...]:
        """Return z with the last part's z replaced by the one that leads to x_t."""
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
