"""Noise schedules: t -> alpha_bar[t], the share of the image's variance that is left at step t.

A schedule has T + 1 entries. They start at alpha_bar[0] == 1 and never increase. Training draws t from 1..T inclusive,
so that the network is trained at T, where sampling starts; t = 0 is the clean image.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import torch
from torch import Tensor

from trainables.domain import Choice, Int, Log, Uniform

# The smallest alpha_bar, so that sqrt(alpha_bar) can be inverted in float32 (Chen 2023 clips there too).
ALPHA_BAR_MIN = 1e-9
# The largest after step 0: two float32 numbers below 1, so that sigma, which samplers divide by, is not 0.
ALPHA_BAR_MAX = 1 - 1e-7


class Step(NamedTuple):
    """How far each image of a batch is degraded: by `sigma`, or by `time` where a degradation ignores the schedule."""

    alpha: Tensor
    """(N,) sqrt(alpha_bar[t]), from 1 (clean) to nearly 0; float32 cannot compute it from a sigma that rounds to 1."""
    sigma: Tensor
    """(N,) sqrt(1 - alpha_bar[t]), from 0 (clean) to 1."""
    time: Tensor
    """(N,) t / T, from 0 (clean) to 1."""

    def over(self, x: Tensor) -> Step:
        """Return the step with each part shaped (N, 1, 1, 1), to broadcast over images `x` (N, C, H, W)."""
        return Step(*(part.view((-1,) + (1,) * (x.ndim - 1)) for part in self))


def step_at(alpha_bar: Tensor, t: Tensor) -> Step:
    """Return the steps t (N,), int64 from 0 to T, of a schedule alpha_bar (T + 1,)."""
    at_t = alpha_bar[t]
    return Step(alpha=at_t.sqrt(), sigma=(1 - at_t).sqrt(), time=t / (len(alpha_bar) - 1))


@dataclass(frozen=True)
class Schedule(ABC):
    """A noise schedule of T steps; `zero_snr` rescales it so that no signal is left at step T."""

    T: Annotated[int, Int(2, 5000)] = 1000
    zero_snr: Annotated[bool, Choice(False, True)] = False

    @abstractmethod
    def shares(self) -> Tensor:
        """Return alpha_bar of steps 1 to T as float64 (T,), never increasing, in [0, 1]."""

    def alpha_bar(self) -> Tensor:
        """Return alpha_bar as float64 (T + 1,), from exactly 1 down to at least ALPHA_BAR_MIN."""
        later = rescaled_to_zero_snr(self.shares()) if self.zero_snr else self.shares()
        return torch.cat([later.new_ones(1), later.clamp(ALPHA_BAR_MIN, ALPHA_BAR_MAX)])

    def _times(self) -> Tensor:
        return torch.linspace(0, 1, self.T + 1, dtype=torch.float64)


def rescaled_to_zero_snr(alpha_bar: Tensor) -> Tensor:
    """Return alpha_bar (T,) whose root is shifted to end at 0 and scaled to start as before (Lin et al. 2023, alg. 1).

    Where no signal is left, eps does not determine x0; `Variant` refuses that target.
    """
    root = alpha_bar.sqrt()
    return ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2


def from_betas(beta: Tensor) -> Tensor:
    """Return alpha_bar (T,) = cumprod(1 - beta) of the step variances beta (T,)."""
    return torch.cumprod(1 - beta, 0)


def from_curve(curve: Tensor, beta_max: float) -> Tensor:
    """Return alpha_bar (T,) = curve / curve[0], of a curve (T + 1,), with every step's beta clipped to `beta_max`."""
    return from_betas((1 - curve[1:] / curve[:-1]).clamp(0, beta_max))


@dataclass(frozen=True)
class Linear(Schedule):
    """beta rises linearly from `beta_start` to `beta_end` (Ho et al. 2020, section 4).

    With `from_zero` it does so from step 0 to T, as the starter counts; step 1 then has the noise of step 0, too.
    """

    beta_start: Annotated[float, Log(1e-6, 0.05)] = 1e-4
    beta_end: Annotated[float, Log(1e-4, 0.5)] = 0.02
    from_zero: Annotated[bool, Choice(False, True)] = False

    def shares(self) -> Tensor:
        """Return alpha_bar of steps 1 to T as float64 (T,)."""
        steps = self.T + 1 if self.from_zero else self.T
        return from_betas(torch.linspace(self.beta_start, self.beta_end, steps, dtype=torch.float64))[-self.T :]


@dataclass(frozen=True)
class Constant(Schedule):
    """The same beta at every step; with `from_zero` step 1 has the noise of a step 0, too, as Jain counts."""

    beta: Annotated[float, Log(1e-5, 0.5)] = 0.01
    from_zero: Annotated[bool, Choice(False, True)] = False

    def shares(self) -> Tensor:
        """Return alpha_bar of steps 1 to T as float64 (T,)."""
        steps = self.T + 1 if self.from_zero else self.T
        return from_betas(torch.full((steps,), self.beta, dtype=torch.float64))[-self.T :]


@dataclass(frozen=True)
class Cosine(Schedule):
    """alpha_bar follows cos^2 with offset `s`; every beta is at most `beta_max` (Nichol & Dhariwal 2021, eq. 17)."""

    s: Annotated[float, Log(1e-3, 0.1)] = 0.008
    beta_max: Annotated[float, Uniform(0.5, 0.9999)] = 0.999

    def shares(self) -> Tensor:
        """Return alpha_bar of steps 1 to T as float64 (T,)."""
        return from_curve(torch.cos((self._times() + self.s) / (1 + self.s) * math.pi / 2) ** 2, self.beta_max)


@dataclass(frozen=True)
class Sigmoid(Schedule):
    """alpha_bar follows a sigmoid from `start` to `end` with temperature `tau`, scaled to [0, 1] (Chen 2023)."""

    start: Annotated[float, Uniform(-6, 0)] = -3.0
    end: Annotated[float, Uniform(1, 6)] = 3.0
    tau: Annotated[float, Log(0.1, 2)] = 1.0

    def shares(self) -> Tensor:
        """Return alpha_bar of steps 1 to T as float64 (T,)."""
        curve = torch.sigmoid(-(self._times() * (self.end - self.start) + self.start) / self.tau)
        return (curve[1:] - curve[-1]) / (curve[0] - curve[-1])


@dataclass(frozen=True)
class Logistic(Schedule):
    """sigma = sigmoid(linspace(low, high, T)), Grivot's intensity of overlays."""

    low: Annotated[float, Uniform(-8, -1)] = -4.0
    high: Annotated[float, Uniform(1, 8)] = 6.0

    def shares(self) -> Tensor:
        """Return alpha_bar of steps 1 to T as float64 (T,)."""
        sigma = torch.sigmoid(torch.linspace(self.low, self.high, self.T, dtype=torch.float64))
        return 1 - sigma**2


@dataclass(frozen=True)
class UniformSigma(Schedule):
    """sigma = t / T: constant speed along the line of a linear interpolant, as in flow matching."""

    def shares(self) -> Tensor:
        """Return alpha_bar of steps 1 to T as float64 (T,)."""
        return 1 - self._times()[1:] ** 2


SCHEDULES: dict[str, type[Schedule]] = {
    "linear": Linear,
    "constant": Constant,
    "cosine": Cosine,
    "sigmoid": Sigmoid,
    "logistic": Logistic,
    "uniform": UniformSigma,
}
