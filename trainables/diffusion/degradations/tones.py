"""Degradations of an image's tones: its contrast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from trainables.diffusion.degradations.base import Degradation
from trainables.diffusion.schedules import Step
from trainables.diffusion.source import Source
from trainables.domain import Uniform


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
        """Return x_t (N, C, H, W) of x0's dtype."""
        i = step.over(x0).time
        factor = torch.where(i > 0, 1 + (self.start + self.growth * i) * (2 * z - 1), 1.0)
        mean = x0.float().mean((1, 2, 3), keepdim=True)
        return torch.where(i > 0, mean + factor * (x0 - mean), x0).to(x0.dtype)


TONES: dict[str, type[Degradation]] = {
    "contrast": Contrast,
}
