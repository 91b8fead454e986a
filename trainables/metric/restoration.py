"""Restoration: held-out images are degraded to a step t and restored, in one step or by the sampler.

All trials have the same images and the same draws: `seed` fixes z, and one image has the same z at every t. Where the
network knows classes, `Diffusion.given` has bound the images' labels. Loss and quality are NaN for a network whose
weights are not finite.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from trainables.config import Sampling
from trainables.diffusion.process import Diffusion
from trainables.diffusion.samplers import strided
from trainables.diffusion.source import Source
from trainables.metric.quality import Quality, quality

# Images restored together: more exceed a CPU's cache. The chunks belong to what fixes the draws, on every device.
CHUNK = 256
# The validation at each rung: of 64 images, the default, the network sees 1,280, as many as for 64 samples in 20 steps.
VALIDATION_STEPS = 10
PICTURED = 4  # t = T/4, ..., T, a row each


@dataclass(frozen=True)
class Validation:
    """Loss and quality of one-step restorations of held-out images, each at t = T/10, ..., T or their mean; PSNR in dB.

    They show how training goes, and at which t it goes badly. They are not for ranking: of two models of the literature
    the one with a ninth of the test loss generates worse (Jain).
    """

    loss: float
    ssim: float
    psnr: float
    rmse: float
    loss_by_t: tuple[float, ...]
    ssim_by_t: tuple[float, ...]


@dataclass(frozen=True)
class OneStep:
    """One-step reconstructions x0_hat of images at one t: the mean loss, as `Diffusion.loss_at` has it, and quality."""

    loss: float
    quality: Quality


def validation(diffusion: Diffusion, x0: Tensor, source: Source, seed: int) -> Validation:
    """Return the validation on uint8 images x0 (N, C, H, W); `seed` fixes z, which is the same for every model."""
    ts = spread(diffusion.T, VALIDATION_STEPS)
    found = one_step_at(diffusion, x0, ts, source, seed)
    return Validation(
        loss=fmean(found[t].loss for t in ts),
        ssim=fmean(found[t].quality.ssim for t in ts),
        psnr=fmean(found[t].quality.psnr for t in ts),
        rmse=fmean(found[t].quality.rmse for t in ts),
        loss_by_t=tuple(found[t].loss for t in ts),
        ssim_by_t=tuple(found[t].quality.ssim for t in ts),
    )


def validation_loss(diffusion: Diffusion, x0: Tensor, source: Source, seed: int) -> float:
    """Return the loss of `validation` alone, which takes less time."""
    ts = spread(diffusion.T, VALIDATION_STEPS)
    losses = losses_by_t(diffusion, x0, ts, source, seed)
    return fmean(losses[t] for t in ts)


def spread(T: int, count: int) -> list[int]:
    """Return T/count, 2 T/count, ..., T, rounded, at least 1; some repeat where T < count."""
    return [max(1, round(T * k / count)) for k in range(1, count + 1)]


@torch.inference_mode()
def losses_by_t(diffusion: Diffusion, x0: Tensor, ts: Sequence[int], source: Source, seed: int) -> dict[int, float]:
    """Return the mean loss at each t, as `Diffusion.loss_at` defines it, on uint8 images x0 (N, C, H, W)."""
    losses = {}
    for t in ts:
        chunks = [given.loss_at(clean, _at(t, clean), source) for given, clean in _chunks(diffusion, x0, source, seed)]
        losses[t] = torch.cat(chunks).double().mean().item()
    return losses


@torch.inference_mode()
def one_step_at(diffusion: Diffusion, x0: Tensor, ts: Sequence[int], source: Source, seed: int) -> dict[int, OneStep]:
    """Return loss and quality at each t of one-step reconstructions x0_hat of uint8 images x0 (N, C, H, W)."""
    found = {}
    for t in ts:
        chunks = [
            given.loss_and_x0(clean, _at(t, clean), source) for given, clean in _chunks(diffusion, x0, source, seed)
        ]
        losses, restored = (torch.cat(parts) for parts in zip(*chunks, strict=True))
        found[t] = OneStep(losses.double().mean().item(), _quality(restored, x0, source))
    return found


@torch.inference_mode()
def restore_by_sampling(
    diffusion: Diffusion, sampling: Sampling, x0: Tensor, ts: Sequence[int], source: Source, seed: int
) -> dict[int, Quality]:
    """Return the quality at each t of uint8 images x0 (N, C, H, W), degraded to t and sampled from there down to 0.

    The strides are those from T. The sampler gets the z that degraded the images, which cold sampling takes as known
    (Bansal et al. 2022), so only trials of the same degradation and sampler compare.
    """
    found = {}
    for t in ts:
        chunks = [_sampled(*degraded, t, sampling, source) for degraded in _degraded(diffusion, x0, t, source, seed)]
        found[t] = _quality(torch.cat(chunks), x0, source)
    return found


@torch.inference_mode()
def restorations(diffusion: Diffusion, sampling: Sampling, x0: Tensor, source: Source, seed: int) -> Tensor:
    """Return uint8 (4, 4 N, C, H, W): for t = T/4, T/2, 3 T/4 and T a row with four pictures of each image.

    These are the image of x0 uint8 (N, C, H, W), N at most 256, the image degraded to t, its restoration in one step
    and that by the sampler. `seed` fixes z, and what the sampler draws.
    """
    rows = []
    for t in spread(diffusion.T, PICTURED):
        given, x_t, z = next(_degraded(diffusion, x0, t, source, seed))
        one_step, sampled = given.restore(x_t, _at(t, x_t)), _sampled(given, x_t, z, t, sampling, source)
        restored = [source.pixels.to_uint8(images) for images in (x_t, one_step, sampled)]
        rows.append(torch.stack([x0.to(x_t.device), *restored], 1).flatten(0, 1))
    return torch.stack(rows)


def _degraded(
    diffusion: Diffusion, x0: Tensor, t: int, source: Source, seed: int
) -> Iterator[tuple[Diffusion, Tensor, Any]]:
    """Yield the diffusion, x_t and z of each chunk of x0."""
    for given, clean in _chunks(diffusion, x0, source, seed):
        z = diffusion.degradation.draw(clean, source)
        yield given, diffusion.degradation(clean, diffusion.step(_at(t, clean)), z), z


def _sampled(given: Diffusion, x_t: Tensor, z: Any, t: int, sampling: Sampling, source: Source) -> Tensor:
    """Return x_0, sampled from x_t."""
    share = t / given.T  # of all steps, share^(1 / spacing) are below t
    steps = max(1, round(min(sampling.steps, given.T) * t / given.T * share ** (1 / sampling.spacing - 1)))
    as_sampled = given.given(given.labels, sampling.guided, sampling.clip)
    return deque(sampling.sampler(as_sampled, x_t, z, strided(t, steps, sampling.spacing), source), maxlen=1)[0]


def _quality(restored: Tensor, x0: Tensor, source: Source) -> Quality:
    """Return the quality of images in the pixel range against uint8 images x0, both (N, C, H, W)."""
    # Quantised, as the originals and all images that the project writes.
    grey = (source.pixels.to_uint8(restored) / 255).where(restored.isfinite(), torch.nan)
    return quality(grey, x0.to(restored.device) / 255)


def _chunks(diffusion: Diffusion, x0: Tensor, source: Source, seed: int) -> Iterator[tuple[Diffusion, Tensor]]:
    """Yield x0 in the pixel range, in chunks, each with the diffusion given the labels of these images.

    The source is seeded first, so that every t begins with the same draws.
    """
    source.generator.manual_seed(seed)
    device = source.generator.device
    for first in range(0, len(x0), CHUNK):
        at = slice(first, first + CHUNK)
        given = diffusion.given(None if diffusion.labels is None else diffusion.labels[at])
        yield given, source.pixels.to_model(x0[at].to(device))


def _at(t: int, x: Tensor) -> Tensor:
    return torch.full((len(x),), t, device=x.device)
