"""A diffusion process: a schedule, a degradation and a network, with its target, loss, weights, labels and guidance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainables.device import is_faster_in_bf16
from trainables.diffusion.degradations import Chain, Degradation, Gaussian, Overlay, apply_parts
from trainables.diffusion.schedules import Step, step_at
from trainables.diffusion.source import PixelRange, Source
from trainables.diffusion.targets import TARGETS
from trainables.diffusion.times import TIMES

Loss = Callable[[Tensor, Tensor], Tensor]

PRECISIONS = ("auto", "float32", "bf16")


class Diverged(ArithmeticError):
    """The loss or the samples are no longer finite."""


def runs_bf16(precision: str, device: torch.device) -> bool:
    """Return whether the network runs in bf16; "auto" means where the device is faster in it."""
    return precision == "bf16" or (precision == "auto" and is_faster_in_bf16(device))


def last_part(degradation: Degradation) -> Degradation:
    """Return the last part of a composition, or the degradation itself; eps, v, velocity and most samplers need it."""
    return degradation.parts[-1] if isinstance(degradation, Chain) else degradation


def _per_image(pointwise: Callable[..., Tensor], prediction: Tensor, target: Tensor) -> Tensor:
    return pointwise(prediction, target, reduction="none").flatten(1).mean(1)


# (prediction, target), both (N, C, H, W) -> the mean over each image, (N,).
LOSSES: dict[str, Loss] = {
    "l2": partial(_per_image, functional.mse_loss),
    "l1": partial(_per_image, functional.l1_loss),
    "huber": partial(_per_image, partial(functional.huber_loss, delta=0.1)),  # with torch's own, 1, most errors are l2
}


@dataclass(frozen=True)
class Guidance:
    """Classifier-free guidance: x0_hat(c) + scale (x0_hat(c) - x0_hat) (Ho & Salimans 2022, eq. 6).

    It holds for t / T from `low` to `high`, elsewhere there is none (Kynkaanniemi et al. 2024).
    """

    scale: float = 0.0
    low: float = 0.0
    high: float = 1.0

    def at(self, t: int, T: int) -> bool:
        """Return whether step t of T is guided, which takes a second call of the network."""
        return self.scale != 0 and self.low <= t / T <= self.high


UNGUIDED = Guidance()


@dataclass(frozen=True)
class Diffusion:
    """x_t = D(x0, step t, z), and a network that predicts `target` from (x_t, t / T).

    In a composition, the targets eps, v and velocity refer to the image just before the last degradation; x0 is the
    clean image.
    """

    alpha_bar: Tensor
    """(T + 1,) float32, on the images' device"""
    degradation: Degradation
    network: nn.Module
    target: str
    pixels: PixelRange
    bf16: bool = False
    loss_kind: str = "l2"
    weight: str = "uniform"
    times: str = "uniform"
    times_mean: float = 0.0
    label_counts: Tensor | None = None
    """(classes,) images of each label in training, on their device; None where the network knows no labels"""
    label_drop: float = 0.0
    """The share of labels that training hides, so that the network learns to do without"""
    labels: Tensor | None = None
    """(N,) int64, the label of each image of the batch, set by `given`; None: all unknown."""
    guidance: Guidance = UNGUIDED
    clip: bool = True
    """Whether x0_hat is clipped to the pixel range"""

    @property
    def T(self) -> int:
        """The number of steps."""
        return len(self.alpha_bar) - 1

    def step(self, t: Tensor) -> Step:
        """Return alpha, sigma and time of steps t (N,), int64 from 0 to T."""
        return step_at(self.alpha_bar, t)

    def loss(self, x0: Tensor, source: Source) -> Tensor:
        """Return the scalar loss of images x0 (N, C, H, W), each at its own t in 1..T, some labels dropped."""
        t = TIMES[self.times](len(x0), self.T, self.times_mean, source)
        return self._with_labels_dropped(source).loss_at(x0, t, source).mean()

    def loss_at(self, x0: Tensor, t: Tensor, source: Source) -> Tensor:
        """Return the weighted loss (N,) of images x0 (N, C, H, W) at steps t (N,), int64 from 1 to T."""
        step, z = self.step(t), self.degradation.draw(x0, source)
        return self._weighted(self._predict(self.degradation(x0, step, z), step), x0, t, z)

    def loss_and_x0(self, x0: Tensor, t: Tensor, source: Source) -> tuple[Tensor, Tensor]:
        """Return `loss_at` (N,), and x0_hat (N, C, H, W) of `restore` for the same x_t, of one call of the network."""
        step, z = self.step(t), self.degradation.draw(x0, source)
        x_t = self.degradation(x0, step, z)
        prediction = self._predict(x_t, step)
        return self._weighted(prediction, x0, t, z), self._restored(prediction, x_t, t)

    def _weighted(self, prediction: Tensor, x0: Tensor, t: Tensor, z: Any) -> Tensor:
        losses = LOSSES[self.loss_kind](prediction, self._true_target(x0, self.step(t), z))
        return WEIGHTS[self.weight](self, t) * losses

    def given(self, labels: Tensor | None, guidance: Guidance = UNGUIDED, clip: bool = True) -> Diffusion:
        """Return this diffusion for images of `labels` (N,), which count where the network knows labels.

        A label of no training image is unknown: a test set may have others, and a fold may hold out all of a label.
        """
        if labels is None or self.label_counts is None:
            return replace(self, labels=None, guidance=guidance, clip=clip)
        unknown = len(self.label_counts)
        labels = labels.clamp(max=unknown)
        untrained = functional.pad(self.label_counts, (0, 1))[labels] == 0
        return replace(self, labels=labels.masked_fill(untrained, unknown), guidance=guidance, clip=clip)

    def _with_labels_dropped(self, source: Source) -> Diffusion:
        if self.label_counts is None or self.labels is None:
            return self
        dropped = source.uniform(self.labels.shape) < self.label_drop
        return self.given(self.labels.masked_fill(dropped, len(self.label_counts)))

    def _predict(self, x_t: Tensor, step: Step) -> Tensor:
        with torch.autocast(x_t.device.type, torch.bfloat16, enabled=self.bf16):
            if self.label_counts is None:
                return self.network(x_t, step.time).float()
            unknown = torch.full((len(x_t),), len(self.label_counts), device=x_t.device)
            return self.network(x_t, step.time, unknown if self.labels is None else self.labels).float()

    def _true_target(self, x0: Tensor, step: Step, z: Any) -> Tensor:
        if self.target == "x0":
            return x0
        y = x0
        if isinstance(self.degradation, Chain):
            y, z = apply_parts(self.degradation.parts[:-1], x0, step, z), z[-1]
        return TARGETS[self.target].answer(y, z, step.over(x0))

    def restore(self, x_t: Tensor, t: Tensor) -> Tensor:
        """Return x0_hat (N, C, H, W), the network's estimate of the clean images, by default in the pixel range.

        All t (N,) are the same where guidance depends on them. Without the clip the errors of early steps grow in few
        steps, and FMD is two orders of magnitude worse.
        """
        return self._restored(self._predict(x_t, self.step(t)), x_t, t)

    def _restored(self, prediction: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        y = self._solve(prediction, x_t, t)
        if self.labels is not None and self.guidance.scale and self.guidance.at(int(t[0]), self.T):
            without_label = self.given(None)._predict(x_t, self.step(t))
            y = y + self.guidance.scale * (y - self._solve(without_label, x_t, t))
        return y.clamp(self.pixels.low, self.pixels.high) if self.clip else y

    def _solve(self, prediction: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        return TARGETS[self.target].solve(x_t, prediction, self.step(t).over(x_t))


def uniform(diffusion: Diffusion, t: Tensor) -> Tensor:
    """Return ones (N,)."""
    return diffusion.alpha_bar.new_ones(len(t))


def min_snr(diffusion: Diffusion, t: Tensor, gamma: float = 5.0) -> Tensor:
    """Return min(SNR, gamma) (N,), a weight of the squared error of x0 (Hang et al. 2023, where gamma is 5).

    It becomes min(SNR, gamma) / SNR for eps and min(SNR, gamma) / (SNR + 1) for v. SNR = (alpha / sigma)^2 of the
    overlay. Where no signal is left, only eps and scaled_eps have a weight above 0.
    """
    step, last = diffusion.step(t), last_part(diffusion.degradation)
    assert isinstance(last, Overlay)
    snr = (last.alpha(step) / step.sigma) ** 2
    return snr.clamp(max=gamma) * TARGETS[diffusion.target].gain(step)


def inverse_beta(diffusion: Diffusion, t: Tensor) -> Tensor:
    """Return 1 / (2 beta_t) (N,), the weight of the Fruits-360 report; 0 where a step adds no noise."""
    beta = 1 - diffusion.alpha_bar[t] / diffusion.alpha_bar[t - 1]
    return torch.where(beta > 0, 0.5 / beta, 0.0)


@dataclass(frozen=True)
class Weight:
    """A weight of the loss by step."""

    function: Callable[[Diffusion, Tensor], Tensor]
    """(diffusion, t (N,)) -> weights (N,)"""
    last: type
    """The last degradation must be an instance of this class."""

    def __call__(self, diffusion: Diffusion, t: Tensor) -> Tensor:
        """Return the weights (N,) of steps t (N,)."""
        return self.function(diffusion, t)


# An SNR needs an overlay, and beta is the variance of a step's noise. Masks and blur have neither, so a variant of them
# refuses these weights.
WEIGHTS: dict[str, Weight] = {
    "uniform": Weight(uniform, last=Degradation),
    "min_snr": Weight(min_snr, last=Overlay),
    "inverse_beta": Weight(inverse_beta, last=Gaussian),
}
