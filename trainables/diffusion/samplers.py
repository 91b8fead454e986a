"""Samplers: free functions of one signature that yield x_t on the way from x_T to x_0.

`sampler(diffusion, x_T, z, times, source)` goes from each of the steps `times` to the next, T = times[0] > ... >
times[-1] = 0, and yields x_t (N, C, H, W) after each; the last is the sample. `nfe` counts the network's calls.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from trainables.diffusion.degradations import Degradation, Gaussian, Overlay
from trainables.diffusion.process import UNGUIDED, Diffusion, Guidance, last_part
from trainables.diffusion.source import Source

Function = Callable[[Diffusion, Tensor, Any, list[int], Source], Iterator[Tensor]]


@dataclass(frozen=True)
class Sampler:
    """A sampler's function, and which degradations it is for."""

    function: Function
    last: type
    """The last degradation must be an instance of this class."""
    calls: int = 1
    """Calls of the network in each step but the last, which has one"""
    noisy: Callable[[float], Function] | None = None
    """eta -> the function that draws noise of scale eta at each step; None for a sampler without eta"""

    def __call__(self, diffusion: Diffusion, x_T: Tensor, z: Any, times: list[int], source: Source) -> Iterator[Tensor]:
        """Yield x_t (N, C, H, W) after each step; the caller disables gradients."""
        return self.function(diffusion, x_T, z, times, source)

    @property
    def degrades(self) -> bool:
        """Whether the sampler applies the whole degradation to x0_hat; then x0_hat must be the clean image."""
        return self.last is Degradation


def strided(T: int, steps: int, spacing: float = 1.0) -> list[int]:
    """Return n + 1 falling times T ((n - k) / n)^spacing, k = 0, ..., n, each a whole number; n is min(steps, T).

    They are evenly spaced if `spacing` is 1 (Nichol & Dhariwal 2021, section 4), and closer near 0 if it is larger
    (cf. rho of Karras et al. 2022, eq. 5). Times that would be the same are one apart.
    """
    steps = min(steps, T)
    times = [T]
    for left in range(steps - 1, -1, -1):
        # The first factors alone are the even times: a power of 1 would round some of them to the other side.
        time = round(T * left / steps * (left / steps) ** (spacing - 1))
        times.append(max(left, min(time, times[-1] - 1)))
    return times


def nfe(kind: str, times: Sequence[int], guidance: Guidance = UNGUIDED) -> int:
    """Return how often sampler `kind` calls the network on the way along `times`, twice where guided."""
    starts = list(times[:-1])
    called = starts + starts[1:] * (SAMPLERS[kind].calls - 1)
    return sum(2 if guidance.at(t, times[0]) else 1 for t in called)


def _pairs(x_t: Tensor, times: list[int]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (t, s), each (N,): the present step and the next, cleaner one."""
    for t, s in pairwise(times):
        yield tuple(torch.full((len(x_t),), k, device=x_t.device) for k in (t, s))  # type: ignore[misc]


def _by_steps(step: Callable[[Diffusion, Tensor, Any, Tensor, Tensor, Source], Tensor]) -> Function:
    """Return the sampler that makes each x_t of the one before by `step`, (diffusion, x_t, z, t, s, source) -> x_s."""

    def sample(diffusion: Diffusion, x_T: Tensor, z: Any, times: list[int], source: Source) -> Iterator[Tensor]:
        x_t = x_T
        for t, s in _pairs(x_t, times):
            x_t = step(diffusion, x_t, z, t, s, source)
            yield x_t

    return sample


def _posterior(diffusion: Diffusion, x_t: Tensor, t: Tensor, s: Tensor, source: Source, large: bool) -> Tensor:
    x0 = diffusion.restore(x_t, t)
    ab_t, ab_s = (diffusion.alpha_bar[k].view(-1, 1, 1, 1) for k in (t, s))
    beta = 1 - ab_t / ab_s
    mean = (ab_s.sqrt() * beta * x0 + (ab_t / ab_s).sqrt() * (1 - ab_s) * x_t) / (1 - ab_t)
    variance = beta if large else beta * (1 - ab_s) / (1 - ab_t)
    noise = source.normal(x_t.shape) * variance.sqrt()
    return torch.where((s > 0).view(-1, 1, 1, 1), mean + noise, x0)


@_by_steps
def ancestral(diffusion: Diffusion, x_t: Tensor, z: Any, t: Tensor, s: Tensor, source: Source) -> Tensor:
    """Return x_s drawn from the posterior q(x_s | x_t, x0_hat) (Ho et al. 2020, eq. 6-7)."""
    return _posterior(diffusion, x_t, t, s, source, large=False)


@_by_steps
def ancestral_large(diffusion: Diffusion, x_t: Tensor, z: Any, t: Tensor, s: Tensor, source: Source) -> Tensor:
    """Return x_s as `ancestral` does, with beta_t for the variance (Ho et al. 2020, section 3.2; the starter)."""
    return _posterior(diffusion, x_t, t, s, source, large=True)


def _ddim(eta: float) -> Function:
    """Return a sampler that yields x_t of DDIM with noise of scale `eta` (Song et al. 2021, eq. 12 and 16).

    With 0 it is `euler`, and with 1 `ancestral`.
    """

    @_by_steps
    def sample(diffusion: Diffusion, x_t: Tensor, z: Any, t: Tensor, s: Tensor, source: Source) -> Tensor:
        x0 = diffusion.restore(x_t, t)
        z_hat = last_part(diffusion.degradation).estimate(x_t, x0, diffusion.step(t), None)
        ab_t, ab_s = (diffusion.alpha_bar[k].view(-1, 1, 1, 1) for k in (t, s))
        drawn = eta**2 * (1 - ab_t / ab_s) * (1 - ab_s) / (1 - ab_t)
        # 1 - ab_s - drawn, as a sum without a difference of nearly equal numbers.
        kept = (1 - eta**2) * (1 - ab_s) + eta**2 * ab_t / ab_s * (1 - ab_s) ** 2 / (1 - ab_t)
        return ab_s.sqrt() * x0 + kept.sqrt() * z_hat + drawn.sqrt() * source.normal(x_t.shape)

    return sample


def _step(diffusion: Diffusion, x_t: Tensor, x0: Tensor, t: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """Return (x_s, z_hat): x_t = alpha x0 + sigma z_hat at t, and x_s is the same x0 and z_hat at s."""
    last = last_part(diffusion.degradation)
    z = last.estimate(x_t, x0, diffusion.step(t), None)
    return last(x0, diffusion.step(s), z), z


@_by_steps
def euler(diffusion: Diffusion, x_t: Tensor, z: Any, t: Tensor, s: Tensor, source: Source) -> Tensor:
    """Return x_s of the probability flow ODE by an Euler step along the line from z_hat to x0_hat (Liu et al. 2023)."""
    x_s, _ = _step(diffusion, x_t, diffusion.restore(x_t, t), t, s)
    return x_s


def heun(diffusion: Diffusion, x_T: Tensor, z: Any, times: list[int], source: Source) -> Iterator[Tensor]:
    """Yield x_t of `euler`'s ODE by Heun's second-order steps, the last Euler's (Karras et al. 2022, algorithm 1).

    The variable of the steps is u = sigma / (alpha + sigma): x_t / (alpha + sigma) = (1 - u) x0 + u z is a straight
    line in u, of velocity z - x0, for every overlay. Karras' sigma / alpha is infinite where no signal is left.
    """
    x_t, left = x_T, len(times) - 1
    for t, s in _pairs(x_t, times):
        left -= 1
        x0 = diffusion.restore(x_t, t)
        x_s, z_t = _step(diffusion, x_t, x0, t, s)
        if left:
            x0_s = diffusion.restore(x_s, s)
            _, z_s = _step(diffusion, x_s, x0_s, s, s)
            (alpha_t, sigma_t), (alpha_s, sigma_s) = (_alpha_and_sigma(diffusion, x_t, k) for k in (t, s))
            total_t, total_s = alpha_t + sigma_t, alpha_s + sigma_s
            velocity = (z_t - x0 + z_s - x0_s) / 2
            x_s = total_s * (x_t / total_t + (sigma_s / total_s - sigma_t / total_t) * velocity)
        x_t = x_s
        yield x_t


def _alpha_and_sigma(diffusion: Diffusion, x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Return alpha and sigma of the overlay at steps t (N,), each (N, 1, 1, 1)."""
    last, step = last_part(diffusion.degradation), diffusion.step(t).over(x_t)
    assert isinstance(last, Overlay)
    return last.alpha(step), step.sigma


def dpmpp(diffusion: Diffusion, x_T: Tensor, z: Any, times: list[int], source: Source) -> Iterator[Tensor]:
    """Yield x_t of DPM-Solver++ (2M), of first order at the first and the last step (Lu et al. 2022, algorithm 2).

    A step is that of `euler`, with x0_hat extrapolated by half a step in lambda = log(alpha / sigma).
    """
    x_t, left = x_T, len(times) - 1
    x0_before, h_before = x_T, torch.zeros(())
    for t, s in _pairs(x_t, times):
        left -= 1
        x0, h = diffusion.restore(x_t, t), _log_ratio(diffusion, x_t, s) - _log_ratio(diffusion, x_t, t)
        # h_before is 0 at the first step, 0 or NaN after a step at which alpha_bar stayed the same, and infinite after
        # a step from where no signal was left: the step after it is of first order, too.
        half = torch.where(h_before > 0, h / h_before / 2, 0.0) if left else 0.0
        x_t, _ = _step(diffusion, x_t, x0 + half * (x0 - x0_before), t, s)
        x0_before, h_before = x0, h
        yield x_t


def _log_ratio(diffusion: Diffusion, x_t: Tensor, t: Tensor) -> Tensor:
    """Return lambda (N, 1, 1, 1) at steps t (N,); -inf where no signal is left, and inf of the clean image."""
    alpha, sigma = _alpha_and_sigma(diffusion, x_t, t)
    return (alpha / sigma).log()


@_by_steps
def cold1(diffusion: Diffusion, x_t: Tensor, z: Any, t: Tensor, s: Tensor, source: Source) -> Tensor:
    """Return x_s = D(x0_hat, s, z) (Bansal et al. 2022, algorithm 1)."""
    return diffusion.degradation(diffusion.restore(x_t, t), diffusion.step(s), z)


def _cold2(diffusion: Diffusion, x_t: Tensor, x0: Tensor, z: Any, t: Tensor, s: Tensor) -> Tensor:
    return x_t - diffusion.degradation(x0, diffusion.step(t), z) + diffusion.degradation(x0, diffusion.step(s), z)


@_by_steps
def cold2(diffusion: Diffusion, x_t: Tensor, z: Any, t: Tensor, s: Tensor, source: Source) -> Tensor:
    """Return x_s = x_t - D(x0_hat, t, z) + D(x0_hat, s, z), z the same at each step (Bansal et al. 2022, alg. 2)."""
    return _cold2(diffusion, x_t, diffusion.restore(x_t, t), z, t, s)


@_by_steps
def cold2_x0(diffusion: Diffusion, x_t: Tensor, z: Any, t: Tensor, s: Tensor, source: Source) -> Tensor:
    """Return x_s as `cold2` does, but x0_hat itself in the last step (Grivot; Siddiquei; Breitburd)."""
    x0 = diffusion.restore(x_t, t)
    return torch.where((s > 0).view(-1, 1, 1, 1), _cold2(diffusion, x_t, x0, z, t, s), x0)


def cold2_estimated(diffusion: Diffusion, x_T: Tensor, z: Any, times: list[int], source: Source) -> Iterator[Tensor]:
    """Yield x_s as `cold2` does, with z estimated from (x_t, x0_hat) at each step; DDIM for Gaussian noise."""
    x_t = x_T
    for t, s in _pairs(x_t, times):
        x0 = diffusion.restore(x_t, t)
        z = diffusion.degradation.estimate(x_t, x0, diffusion.step(t), z)
        x_t = _cold2(diffusion, x_t, x0, z, t, s)
        yield x_t


@_by_steps
def renoise(diffusion: Diffusion, x_t: Tensor, z: Any, t: Tensor, s: Tensor, source: Source) -> Tensor:
    """Return x_s = D(x0_hat, s, z) with z drawn anew at each step (the Fruits-360 report).

    All predicted noise is removed, and fresh noise is added. `cold1` keeps one z.
    """
    x0 = diffusion.restore(x_t, t)
    return diffusion.degradation(x0, diffusion.step(s), diffusion.degradation.draw(x0, source))


SAMPLERS: dict[str, Sampler] = {
    "ancestral": Sampler(ancestral, Gaussian),
    "ancestral_large": Sampler(ancestral_large, Gaussian),
    # For Gaussian noise these steps are DDIM (Song et al. 2021, eq. 12, sigma = 0).
    "ddim": Sampler(euler, Gaussian, noisy=_ddim),
    "dpmpp": Sampler(dpmpp, Overlay),
    "euler": Sampler(euler, Overlay),
    "heun": Sampler(heun, Overlay, calls=2),
    "cold1": Sampler(cold1, Degradation),
    "cold2": Sampler(cold2, Degradation),
    "cold2_x0": Sampler(cold2_x0, Degradation),
    "cold2_estimated": Sampler(cold2_estimated, Degradation),
    "renoise": Sampler(renoise, Degradation),
}
