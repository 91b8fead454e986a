"""Degradations by normal noise: that of DDPM, that of flow matching, and noise added to another degradation."""

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from trainables.diffusion.degradations.base import Degradation, LinearInterpolant, Overlay
from trainables.diffusion.schedules import Step
from trainables.diffusion.source import Source
from trainables.domain import Log


@dataclass(frozen=True)
class Gaussian(Overlay):
    """x_t = sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) z, z standard normal (Ho et al. 2020, eq. 4)."""

    def draw(self, x0: Tensor, source: Source) -> Tensor:
        """Return standard normal noise z (N, C, H, W)."""
        return source.normal(x0.shape)


@dataclass(frozen=True)
class Flow(LinearInterpolant):
    """x_t = (1 - sigma) x0 + sigma z, z standard normal: the path of flow matching (Lipman et al. 2023, eq. 22)."""

    def draw(self, x0: Tensor, source: Source) -> Tensor:
        """Return standard normal noise z (N, C, H, W)."""
        return source.normal(x0.shape)


@dataclass(frozen=True)
class Noise(Degradation):
    """x_t = x0 + `sigma` * step.sigma * z, z standard normal.

    Added to another degradation, it makes cold samples diverse.
    """

    sigma: Annotated[float, Log(0.01, 1)] = 0.15

    def draw(self, x0: Tensor, source: Source) -> Tensor:
        """Return standard normal noise z (N, C, H, W)."""
        return source.normal(x0.shape)

    def __call__(self, x0: Tensor, step: Step, z: Tensor) -> Tensor:
        """Return x_t (N, C, H, W) of x0's dtype."""
        return (x0 + self.sigma * step.over(x0).sigma * z).to(x0.dtype)

    def estimate(self, x_t: Tensor, x0: Tensor, step: Step, z: Tensor) -> Tensor:
        """Return the z (N, C, H, W) that leads from x0 to x_t, at steps from 1 on."""
        return (x_t - x0) / (self.sigma * step.over(x0).sigma)
