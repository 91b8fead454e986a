"""A diffusion: a schedule, a degradation and a network, with what the network predicts and how its loss is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainables.device import multiplies_bf16
from trainables.diffusion.degradations import Chain, Degradation, Gaussian, Overlay, Straight, apply_parts
from trainables.diffusion.schedules import Step, step_at
from trainables.diffusion.source import PixelRange, Source

Measure = Callable[[Tensor, Tensor], Tensor]

PRECISIONS = ("auto", "float32", "bf16")


class Diverged(ArithmeticError):
    """The loss or the samples are no longer finite."""


def runs_bf16(precision: str, device: torch.device) -> bool:
    """Return whether the network runs in bf16; "auto" takes it where the device multiplies it in hardware."""
    return precision == "bf16" or (precision == "auto" and multiplies_bf16(device))


def last_part(degradation: Degradation) -> Degradation:
    """Return the last of a composition's degradations: of which eps, v, velocity and most samplers speak."""
    return degradation.parts[-1] if isinstance(degradation, Chain) else degradation


@dataclass(frozen=True)
class Target:
    """What a network is asked for at x_t = kept y + level z, y the image just before the last degradation."""

    last: type
    """The last degradation that it is defined for"""
    ask: Callable[[Tensor, Tensor, Step], Tensor]
    """(y, z, step) -> the right answer, all (N, C, H, W), step shaped to broadcast over them"""
    solve: Callable[[Tensor, Tensor, Step], Tensor]
    """(x_t, answer, step) -> y"""
    gain: Callable[[Step], Tensor]
    """step -> (error of y / error of the answer)^2"""


# Of v, see Salimans & Ho 2022, appendix D; of the velocity dx_t / dlevel, Lipman et al. 2023 and Liu et al. 2023.
TARGETS: dict[str, Target] = {
    "x0": Target(Degradation, lambda y, z, at: y, lambda x_t, y, at: y, lambda at: torch.ones_like(at.level)),
    "eps": Target(
        Gaussian,
        lambda y, eps, at: eps,
        lambda x_t, eps, at: (x_t - at.level * eps) / at.signal,
        lambda at: (at.level / at.signal) ** 2,
    ),
    "v": Target(
        Gaussian,
        lambda y, eps, at: at.signal * eps - at.level * y,
        lambda x_t, v, at: at.signal * x_t - at.level * v,
        lambda at: at.level**2,
    ),
    "velocity": Target(
        Straight,
        lambda y, z, at: z - y,
        lambda x_t, velocity, at: x_t - at.level * velocity,
        lambda at: at.level**2,
    ),
}


def _per_image(pointwise: Callable[..., Tensor], prediction: Tensor, target: Tensor) -> Tensor:
    return pointwise(prediction, target, reduction="none").flatten(1).mean(1)


# (prediction, target), both (N, C, H, W) -> the mean over each image (N,).
LOSSES: dict[str, Measure] = {
    "l2": partial(_per_image, functional.mse_loss),
    "l1": partial(_per_image, functional.l1_loss),
    "huber": partial(_per_image, functional.huber_loss),
}


@dataclass(frozen=True)
class Diffusion:
    """x_t = D(x0, step t, z), and a network that is asked for `target` at (x_t, t / T).

    In a composition, eps, v and velocity speak of the image just before its last degradation, x0 of the clean one.
    """

    alpha_bar: Tensor
    """(T + 1,) float32, on the images' device"""
    degradation: Degradation
    network: nn.Module
    target: str
    pixels: PixelRange
    bf16: bool = False
    measure: str = "l2"
    weight: str = "uniform"

    @property
    def T(self) -> int:
        """The number of steps."""
        return len(self.alpha_bar) - 1

    def step(self, t: Tensor) -> Step:
        """Return the level and time of steps t (N,), whole numbers from 0 to T."""
        return step_at(self.alpha_bar, t)

    def loss(self, x0: Tensor, source: Source) -> Tensor:
        """Return the scalar loss of images x0 (N, C, H, W), each at its own t, uniform from 1 to T."""
        t = torch.randint(1, self.T + 1, (len(x0),), generator=source.generator, device=x0.device)
        return self.loss_at(x0, t, source).mean()

    def loss_at(self, x0: Tensor, t: Tensor, source: Source) -> Tensor:
        """Return the weighted loss (N,) of images x0 (N, C, H, W) at steps t (N,), whole numbers from 1 to T."""
        step, z = self.step(t), self.degradation.draw(x0, source)
        prediction = self._predict(self.degradation(x0, step, z), step)
        losses = LOSSES[self.measure](prediction, self._answer(x0, step, z))
        return WEIGHTS[self.weight].of(self, t) * losses

    def _predict(self, x_t: Tensor, step: Step) -> Tensor:
        with torch.autocast(x_t.device.type, torch.bfloat16, enabled=self.bf16):
            return self.network(x_t, step.time).float()

    def _answer(self, x0: Tensor, step: Step, z: Any) -> Tensor:
        if self.target == "x0":
            return x0
        y = x0
        if isinstance(self.degradation, Chain):
            y, z = apply_parts(self.degradation.parts[:-1], x0, step, z), z[-1]
        return TARGETS[self.target].ask(y, z, step.over(x0))

    def restore(self, x_t: Tensor, t: Tensor) -> Tensor:
        """Return x0_hat (N, C, H, W), the network's guess of the clean images, clipped to the pixels' range.

        Without the clip, errors of early steps grow: FMD is then two orders of magnitude worse.
        """
        step = self.step(t)
        y = TARGETS[self.target].solve(x_t, self._predict(x_t, step), step.over(x_t))
        return y.clamp(self.pixels.low, self.pixels.high)


@dataclass(frozen=True)
class Weight:
    """How much the loss at a step counts."""

    last: type
    """The last degradation that it is defined for"""
    of: Callable[[Diffusion, Tensor], Tensor]
    """(diffusion, t) -> (N,)"""


def uniform(diffusion: Diffusion, t: Tensor) -> Tensor:
    """Return ones (N,)."""
    return diffusion.alpha_bar.new_ones(len(t))


def min_snr(diffusion: Diffusion, t: Tensor, gamma: float = 5.0) -> Tensor:
    """Return min(SNR, gamma) (N,) of x0's squared error (Hang et al. 2023, whose gamma this is).

    That is min(SNR, gamma) / SNR for eps, / (SNR + 1) for v. SNR = (kept / level)^2, whatever comes over the image;
    where no signal is left, only eps has a weight.
    """
    step, last = diffusion.step(t), last_part(diffusion.degradation)
    assert isinstance(last, Overlay)
    snr = (last.kept(step) / step.level) ** 2
    return snr.clamp(max=gamma) * TARGETS[diffusion.target].gain(step)


def inverse_beta(diffusion: Diffusion, t: Tensor) -> Tensor:
    """Return 1 / (2 beta_t) (N,), the weight of the Fruits-360 report; none where a step adds no noise."""
    beta = 1 - diffusion.alpha_bar[t] / diffusion.alpha_bar[t - 1]
    return torch.where(beta > 0, 0.5 / beta, 0.0)


# An SNR needs something that comes over the image, beta the variance of a step's noise: masks or blur have neither, so
# there these weights are refused rather than made up from the schedule.
WEIGHTS: dict[str, Weight] = {
    "uniform": Weight(Degradation, uniform),
    "min_snr": Weight(Overlay, min_snr),
    "inverse_beta": Weight(Gaussian, inverse_beta),
}
