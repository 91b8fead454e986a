"""Generation: images sampled from a trained diffusion, and pictures of them."""

import io
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from trainables.config import Sampling
from trainables.diffusion.degradations import fitted_prior
from trainables.diffusion.process import Diffusion, Diverged
from trainables.diffusion.source import Source

# Images sampled together: more exceed a CPU's cache, or a trial's share of a GPU's memory. A rung's 256 are one chunk
# on either. The chunks belong to what fixes the noise, and the generators differ between devices anyway.
CHUNKS = {"cpu": 256, "cuda": 512}
LABEL_ROWS = 10
COLUMNS = 9  # of a strip
GREY = 96  # behind the images of a picture
SCALE, GAP = 2, 1  # pixels of a picture for each of an image, and image pixels between two images


def start(diffusion: Diffusion, sampling: Sampling, shape: torch.Size, source: Source) -> tuple[Tensor, Any]:
    """Return (x_T, z), x_T of `shape` (N, C, H, W), drawn from the prior that `sampling` names.

    Raises:
        NoImages: the prior draws images from a source that has none.
    """
    step = diffusion.step(torch.full((shape[0],), diffusion.T, device=source.generator.device))
    if sampling.prior == "fitted":
        return fitted_prior(diffusion.degradation, shape, step, source)
    if sampling.prior == "degraded":
        x0 = source.held_out(shape[0])
        z = diffusion.degradation.draw(x0, source)
        return diffusion.degradation(x0, step, z), z
    return diffusion.degradation.prior(shape, step, source)


def draw_labels(diffusion: Diffusion, n: int, seed: int) -> Tensor | None:
    """Return n labels, int64 (n,), as often as training has them; None where the network knows no labels.

    They are drawn on the CPU, and not from the generator of the noise, so that noise and labels are those of every
    model on every device.
    """
    if diffusion.label_counts is None:
        return None
    generator = torch.Generator().manual_seed(seed)
    labels = torch.multinomial(diffusion.label_counts.cpu().float(), n, replacement=True, generator=generator)
    return labels.to(diffusion.alpha_bar.device)


def generate(
    diffusion: Diffusion, sampling: Sampling, n: int, image_shape: tuple[int, ...], source: Source, seed: int
) -> Tensor:
    """Return n generated images as uint8 (n, C, H, W); `seed` fixes the noise, which is the same for every model.

    Raises:
        Diverged: a sample is not finite.
    """
    labels = draw_labels(diffusion, n, seed)
    return torch.cat(list(in_chunks(diffusion, sampling, n, image_shape, source, seed, labels)))


@torch.inference_mode()
def in_chunks(
    diffusion: Diffusion,
    sampling: Sampling,
    n: int,
    image_shape: tuple[int, ...],
    source: Source,
    seed: int,
    labels: Tensor | None,
) -> Iterator[Tensor]:
    """Yield n generated images as uint8 (k, C, H, W), k at most that of `CHUNKS`; labels are int64 (n,) or unknown.

    Raises:
        Diverged: a sample is not finite.
    """
    chunk = CHUNKS[source.generator.device.type]
    for first in range(0, n, chunk):
        source.generator.manual_seed(seed + first)
        x_T, z = start(diffusion, sampling, torch.Size((min(chunk, n - first), *image_shape)), source)
        known = None if labels is None else labels[first : first + chunk]
        given = diffusion.given(known, sampling.guided, sampling.clip)
        path = sampling.sampler(given, x_T, z, sampling.times(diffusion.T), source)
        x_0 = deque(path, maxlen=1)[0]  # all x_t of 1,000 steps would take 0.8 GB
        if not x_0.isfinite().all():
            raise Diverged("the samples are not finite")
        yield source.pixels.to_uint8(x_0)


@torch.inference_mode()
def strip(diffusion: Diffusion, sampling: Sampling, x0: Tensor, source: Source, seed: int) -> Tensor:
    """Return uint8 (2 N, COLUMNS, C, H, W): N rows of x0 (N, C, H, W) at growing t, then N of samples at falling t."""
    source.generator.manual_seed(seed)
    z = diffusion.degradation.draw(x0, source)
    ts = [torch.full((len(x0),), round(diffusion.T * k / (COLUMNS - 1)), device=x0.device) for k in range(COLUMNS)]
    forward = [diffusion.degradation(x0, diffusion.step(t), z) for t in ts]
    x_T, z = start(diffusion, sampling, x0.shape, source)
    given = diffusion.given(draw_labels(diffusion, len(x0), seed), sampling.guided, sampling.clip)
    path = [x_T, *sampling.sampler(given, x_T, z, sampling.times(diffusion.T), source)]
    backward = [path[round((len(path) - 1) * k / (COLUMNS - 1))] for k in range(COLUMNS)]
    rows = torch.cat([torch.stack(forward, 1), torch.stack(backward, 1)])
    return source.pixels.to_uint8(rows)


def in_rows(samples: Tensor, labels: Tensor | None, side: int) -> Tensor:
    """Return some of the samples (n, C, H, W) as (rows, side, C, H, W), with labels (n,) a row for each label.

    A label of fewer than `side` samples has no row. Without such rows they are the first side x side samples.
    """
    groups = [] if labels is None else [samples[labels == label][:side] for label in labels.unique()]
    full = [group for group in groups if len(group) == side]
    if full:
        return torch.stack(full[:LABEL_ROWS])
    rows = min(side, len(samples) // side)
    return samples[: rows * side].unflatten(0, (rows, side))


def grid_png(images: Tensor) -> bytes:
    """Return a PNG of uint8 images (rows, columns, C, H, W), C 1 or 3, on grey, each pixel `SCALE` wide."""
    rows, columns, channels, height, width = images.shape
    below_and_right = ((0, 0), (0, GAP), (0, 0), (0, GAP), (0, 0))
    tiles = np.pad(images.permute(0, 3, 1, 4, 2).cpu().numpy(), below_and_right, constant_values=GREY)
    canvas = tiles.reshape(rows * (height + GAP), columns * (width + GAP), channels)
    canvas = np.pad(canvas, ((GAP, 0), (GAP, 0), (0, 0)), constant_values=GREY)
    picture = Image.fromarray(canvas.squeeze(-1) if channels == 1 else canvas)
    data = io.BytesIO()
    picture.resize((picture.width * SCALE, picture.height * SCALE), Image.Resampling.NEAREST).save(data, "PNG")
    return data.getvalue()


def sampling_source(training: Source, overlays: Tensor, held_out: Tensor | None = None) -> Source:
    """Return a source for sampling, with a generator of its own.

    Overlays (K, C, H, W) and held-out images (L, C, H, W), both uint8, are unseen in training.
    """
    generator = torch.Generator(training.generator.device)
    return Source(generator, training.pixels, training.training_images, overlays, held_out)
