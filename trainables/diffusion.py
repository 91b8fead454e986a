"""A diffusion: a schedule, a degradation and a network, with what the network predicts and how its loss is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainables.degradations import Chain, Degradation, Gaussian, apply_parts
from trainables.schedules import Step, step_at
from trainables.source import PixelRange, Source

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l2": functional.mse_loss,
    "l1": functional.l1_loss,
    "huber": functional.huber_loss,
}

TARGETS = ("x0", "eps", "v")
PRECISIONS = ("auto", "float32", "bf16")


def runs_bf16(precision: str, device: torch.device) -> bool:
    """Return whether the network runs in bf16; "auto" takes it on GPUs and on CPUs with AMX, else float32.

    Without AMX, bf16 is 1.6 to 16 times slower than float32 on a CPU.
    """
    fast = device.type == "cuda" or torch.cpu._is_amx_tile_supported()
    return precision == "bf16" or (precision == "auto" and fast)


def ends_in_noise(degradation: Degradation) -> bool:
    """Return whether x_t = sqrt(alpha_bar) y + sqrt(1 - alpha_bar) eps, so that eps and v are defined."""
    last = degradation.parts[-1] if isinstance(degradation, Chain) else degradation
    return isinstance(last, Gaussian)


@dataclass(frozen=True)
class Diffusion:
    """x_t = D(x0, step t, z), and a network that is asked for `target` at (x_t, t / T).

    Under a composition that ends in Gaussian noise, eps and v speak of the image just before it, x0 of the clean one.
    """

    alpha_bar: Tensor
    """(T + 1,) float32, on the images' device"""
    degradation: Degradation
    network: nn.Module
    target: str
    pixels: PixelRange
    bf16: bool = False

    @property
    def T(self) -> int:
        """The number of steps."""
        return len(self.alpha_bar) - 1

    def step(self, t: Tensor) -> Step:
        """Return the level and time of steps t (N,), whole numbers from 0 to T."""
        return step_at(self.alpha_bar, t)

    def loss(self, x0: Tensor, source: Source, measure: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """Return the scalar loss of images x0 (N, C, H, W), each at its own t, uniform from 1 to T."""
        t = torch.randint(1, self.T + 1, (len(x0),), generator=source.generator, device=x0.device)
        step, z = self.step(t), self.degradation.draw(x0, source)
        x_t = self.degradation(x0, step, z)
        return measure(self._predict(x_t, step), self._target(x0, step, z))

    def _predict(self, x_t: Tensor, step: Step) -> Tensor:
        with torch.autocast(x_t.device.type, torch.bfloat16, enabled=self.bf16):
            return self.network(x_t, step.time).float()

    def _target(self, x0: Tensor, step: Step, z: object) -> Tensor:
        if self.target == "x0":
            return x0
        parts = self.degradation.parts if isinstance(self.degradation, Chain) else (self.degradation,)
        latents = z if isinstance(z, tuple) else (z,)
        eps = latents[-1]
        if self.target == "eps":
            return eps
        at = step.over(x0)
        return at.signal * eps - at.level * apply_parts(parts[:-1], x0, step, latents)

    def restore(self, x_t: Tensor, t: Tensor) -> Tensor:
        """Return x0_hat (N, C, H, W), the network's guess of the clean images, clipped to the pixels' range.

        Without the clip, errors of early steps grow: FMD is then two orders of magnitude worse.
        """
        step = self.step(t)
        y = self._predict(x_t, step)
        at = step.over(x_t)
        if self.target == "eps":
            y = (x_t - at.level * y) / at.signal
        elif self.target == "v":
            y = at.signal * x_t - at.level * y
        return y.clamp(self.pixels.low, self.pixels.high)
