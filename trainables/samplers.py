"""Samplers: free functions of one signature that yield x_t on the way from x_T to x_0.

`sampler(diffusion, x_T, z, times, source)` visits the steps `times`, T = times[0] > ... > times[-1] = 0, with one call
of the network at each but the last (NFE = len(times) - 1), and yields x_t (N, C, H, W) after each call; the last is the
sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from trainables.diffusion import Diffusion
from trainables.source import Source

Sampler = Callable[[Diffusion, Tensor, Any, list[int], Source], Iterator[Tensor]]


def strided(T: int, steps: int) -> list[int]:
    """Return min(steps, T) + 1 evenly spaced times from T down to 0 (Nichol & Dhariwal 2021, section 4)."""
    steps = min(steps, T)
    return [round(T * (steps - k) / steps) for k in range(steps + 1)]


def _walk(diffusion: Diffusion, x_t: Tensor, times: list[int]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (t, s), each (N,): the present and the next, cleaner step."""
    for t, s in pairwise(times):
        yield tuple(torch.full((len(x_t),), k, device=x_t.device) for k in (t, s))  # type: ignore[misc]


def _posterior(diffusion: Diffusion, x_T: Tensor, times: list[int], source: Source, large: bool) -> Iterator[Tensor]:
    x_t = x_T
    for t, s in _walk(diffusion, x_t, times):
        x0 = diffusion.restore(x_t, t)
        ab_t, ab_s = (diffusion.alpha_bar[k].view(-1, 1, 1, 1) for k in (t, s))
        beta = 1 - ab_t / ab_s
        mean = (ab_s.sqrt() * beta * x0 + (ab_t / ab_s).sqrt() * (1 - ab_s) * x_t) / (1 - ab_t)
        variance = beta if large else beta * (1 - ab_s) / (1 - ab_t)
        noise = source.normal(x_t.shape) * variance.sqrt()
        x_t = torch.where((s > 0).view(-1, 1, 1, 1), mean + noise, x0)
        yield x_t


def ancestral(diffusion: Diffusion, x_T: Tensor, z: Any, times: list[int], source: Source) -> Iterator[Tensor]:
    """Yield x_t from the posterior q(x_s | x_t, x0_hat) with its own variance (Ho et al. 2020, eq. 6-7)."""
    yield from _posterior(diffusion, x_T, times, source, large=False)


def ancestral_large(diffusion: Diffusion, x_T: Tensor, z: Any, times: list[int], source: Source) -> Iterator[Tensor]:
    """Yield x_t as `ancestral` does, but with the variance sigma_t^2 = beta_t of the forward step (the starter's)."""
    yield from _posterior(diffusion, x_T, times, source, large=True)


def ddim(diffusion: Diffusion, x_T: Tensor, z: Any, times: list[int], source: Source) -> Iterator[Tensor]:
    """Yield x_t of the deterministic sampler (Song et al. 2021, eq. 12 with sigma = 0)."""
    x_t = x_T
    for t, s in _walk(diffusion, x_t, times):
        x0 = diffusion.restore(x_t, t)
        ab_t, ab_s = (diffusion.alpha_bar[k].view(-1, 1, 1, 1) for k in (t, s))
        eps = (x_t - ab_t.sqrt() * x0) / (1 - ab_t).sqrt()
        x_t = ab_s.sqrt() * x0 + (1 - ab_s).sqrt() * eps
        yield x_t


def cold1(diffusion: Diffusion, x_T: Tensor, z: Any, times: list[int], source: Source) -> Iterator[Tensor]:
    """Yield x_s = D(x0_hat, s, z): restore, then degrade a little less (Bansal et al. 2022, algorithm 1)."""
    x_t = x_T
    for t, s in _walk(diffusion, x_t, times):
        x_t = diffusion.degradation(diffusion.restore(x_t, t), diffusion.step(s), z)
        yield x_t


def cold2(diffusion: Diffusion, x_T: Tensor, z: Any, times: list[int], source: Source) -> Iterator[Tensor]:
    """Yield x_s = x_t - D(x0_hat, t, z) + D(x0_hat, s, z), one z all the way (Bansal et al. 2022, algorithm 2)."""
    x_t = x_T
    for t, s in _walk(diffusion, x_t, times):
        x0 = diffusion.restore(x_t, t)
        x_t = x_t - diffusion.degradation(x0, diffusion.step(t), z) + diffusion.degradation(x0, diffusion.step(s), z)
        yield x_t


def cold2_estimated(diffusion: Diffusion, x_T: Tensor, z: Any, times: list[int], source: Source) -> Iterator[Tensor]:
    """Yield x_s as `cold2` does, z solved anew from (x_t, x0_hat) at each step; for Gaussian noise this is DDIM."""
    x_t = x_T
    for t, s in _walk(diffusion, x_t, times):
        x0, at = diffusion.restore(x_t, t), diffusion.step(t)
        z = diffusion.degradation.estimate(x_t, x0, at, z)
        x_t = x_t - diffusion.degradation(x0, at, z) + diffusion.degradation(x0, diffusion.step(s), z)
        yield x_t


SAMPLERS: dict[str, Sampler] = {
    "ancestral": ancestral,
    "ancestral_large": ancestral_large,
    "ddim": ddim,
    "cold1": cold1,
    "cold2": cold2,
    "cold2_estimated": cold2_estimated,
}

# These take x_t to be sqrt(alpha_bar) y + sqrt(1 - alpha_bar) eps.
NOISE_SAMPLERS = ("ancestral", "ancestral_large", "ddim")
