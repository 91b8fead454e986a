"""Targets: what a network is asked to predict, and how its answer gives the clean image.

With x_t = alpha y + sigma z, y is the image just before the last degradation and z what that degradation draws. All
tensors are (N, C, H, W); the parts of `step` broadcast over them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from trainables.diffusion.degradations import Degradation, Gaussian, LinearInterpolant
from trainables.diffusion.schedules import Step


class Target(ABC):
    """A prediction target."""

    last: ClassVar[type]
    """The class of last degradations that the target is defined for"""

    @abstractmethod
    def answer(self, y: Tensor, z: Tensor, step: Step) -> Tensor:
        """Return the right answer for y and z."""

    @abstractmethod
    def solve(self, x_t: Tensor, answer: Tensor, step: Step) -> Tensor:
        """Return y, given x_t and the network's answer."""

    @abstractmethod
    def gain(self, step: Step) -> Tensor:
        """Return the squared error of y over the squared error of the answer, of the shape of `step.sigma`."""


class X0(Target):
    """The clean image itself, whatever degrades it."""

    last = Degradation

    def answer(self, y: Tensor, z: Tensor, step: Step) -> Tensor:
        """Return y."""
        return y

    def solve(self, x_t: Tensor, answer: Tensor, step: Step) -> Tensor:
        """Return the answer."""
        return answer

    def gain(self, step: Step) -> Tensor:
        """Return ones."""
        return torch.ones_like(step.sigma)


class Eps(Target):
    """The noise (Ho et al. 2020, section 3.2)."""

    last = Gaussian

    def answer(self, y: Tensor, z: Tensor, step: Step) -> Tensor:
        """Return z."""
        return z

    def solve(self, x_t: Tensor, answer: Tensor, step: Step) -> Tensor:
        """Return (x_t - sigma eps) / alpha."""
        return (x_t - step.sigma * answer) / step.alpha

    def gain(self, step: Step) -> Tensor:
        """Return (sigma / alpha)^2."""
        return (step.sigma / step.alpha) ** 2


class V(Target):
    """v = alpha eps - sigma x0 (Salimans & Ho 2022, appendix D)."""

    last = Gaussian

    def answer(self, y: Tensor, z: Tensor, step: Step) -> Tensor:
        """Return alpha z - sigma y."""
        return step.alpha * z - step.sigma * y

    def solve(self, x_t: Tensor, answer: Tensor, step: Step) -> Tensor:
        """Return alpha x_t - sigma v."""
        return step.alpha * x_t - step.sigma * answer

    def gain(self, step: Step) -> Tensor:
        """Return sigma^2."""
        return step.sigma**2


class Velocity(Target):
    """dx_t / dsigma = z - x0 of a linear interpolant (Lipman et al. 2023; Liu et al. 2023)."""

    last = LinearInterpolant

    def answer(self, y: Tensor, z: Tensor, step: Step) -> Tensor:
        """Return z - y."""
        return z - y

    def solve(self, x_t: Tensor, answer: Tensor, step: Step) -> Tensor:
        """Return x_t - sigma velocity."""
        return x_t - step.sigma * answer

    def gain(self, step: Step) -> Tensor:
        """Return sigma^2."""
        return step.sigma**2


TARGETS: dict[str, Target] = {"x0": X0(), "eps": Eps(), "v": V(), "velocity": Velocity()}
