"""Targets: what a network is asked to predict, and how its prediction gives the clean image.

With x_t = alpha y + sigma z, y is the image just before the last degradation and z what that degradation draws. All
tensors are (N, C, H, W); the parts of `step` broadcast over them.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from trainables.diffusion.degradations import Degradation, Gaussian, LinearInterpolant
from trainables.diffusion.schedules import Step


class Target(ABC):
    """A prediction target."""

    last: ClassVar[type]
    """The last degradation must be an instance of this class."""
    needs_signal: ClassVar[bool] = False
    """True if solving for y divides by alpha, so that zero SNR is refused."""

    @abstractmethod
    def answer(self, y: Tensor, z: Tensor, step: Step) -> Tensor:
        """Return the true target, what an ideal network predicts for y and z."""

    @abstractmethod
    def solve(self, x_t: Tensor, prediction: Tensor, step: Step) -> Tensor:
        """Return y, given x_t and the network's prediction."""

    @abstractmethod
    def gain(self, step: Step) -> Tensor:
        """Return the squared error of y over that of the prediction, of the shape of `step.sigma`."""


class _X0(Target):
    """x0, the clean image itself, whatever degrades it."""

    last = Degradation

    def answer(self, y: Tensor, z: Tensor, step: Step) -> Tensor:
        return y

    def solve(self, x_t: Tensor, prediction: Tensor, step: Step) -> Tensor:
        return prediction

    def gain(self, step: Step) -> Tensor:
        return torch.ones_like(step.sigma)


class _Eps(Target):
    """eps = z, the noise (Ho et al. 2020, section 3.2)."""

    last = Gaussian
    needs_signal = True

    def answer(self, y: Tensor, z: Tensor, step: Step) -> Tensor:
        return z

    def solve(self, x_t: Tensor, prediction: Tensor, step: Step) -> Tensor:
        return (x_t - step.sigma * prediction) / step.alpha

    def gain(self, step: Step) -> Tensor:
        return (step.sigma / step.alpha) ** 2


class _ScaledEps(Target):
    """sigma z, all that was added to the image, as the Fruits-360 report predicts it."""

    last = Gaussian
    needs_signal = True

    def answer(self, y: Tensor, z: Tensor, step: Step) -> Tensor:
        return step.sigma * z

    def solve(self, x_t: Tensor, prediction: Tensor, step: Step) -> Tensor:
        return (x_t - prediction) / step.alpha

    def gain(self, step: Step) -> Tensor:
        return 1 / step.alpha**2


class _V(Target):
    """v = alpha z - sigma y (Salimans & Ho 2022, appendix D)."""

    last = Gaussian

    def answer(self, y: Tensor, z: Tensor, step: Step) -> Tensor:
        return step.alpha * z - step.sigma * y

    def solve(self, x_t: Tensor, prediction: Tensor, step: Step) -> Tensor:
        return step.alpha * x_t - step.sigma * prediction

    def gain(self, step: Step) -> Tensor:
        return step.sigma**2


class _Velocity(Target):
    """dx_t / dsigma = z - y of a linear interpolant (Lipman et al. 2023; Liu et al. 2023)."""

    last = LinearInterpolant

    def answer(self, y: Tensor, z: Tensor, step: Step) -> Tensor:
        return z - y

    def solve(self, x_t: Tensor, prediction: Tensor, step: Step) -> Tensor:
        return x_t - step.sigma * prediction

    def gain(self, step: Step) -> Tensor:
        return step.sigma**2


TARGETS: dict[str, Target] = {
    "x0": _X0(),
    "eps": _Eps(),
    "scaled_eps": _ScaledEps(),
    "v": _V(),
    "velocity": _Velocity(),
}
