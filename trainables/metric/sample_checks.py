"""Cross-checks of generated against real images: what an FMD alone does not tell.

KID is a second distance without the bias of a small n; density and coverage tell quality from variety; labels tell
whether every class is there; the distance to the nearest training image tells what was only copied.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from trainables.metric.classifier import Classifier

Features = NDArray[np.float32]

NEIGHBOURS = 5  # Naeem et al. 2020, section 4.1
MEMORISED = 0.01  # of held-out real images are nearer to a training image than this quantile
CHUNK = 4096  # training images compared at a time
SIDE = 32  # pixels; larger images are averaged down for the search of neighbours, which costs n x training x pixels


@dataclass(frozen=True)
class KernelDistance:
    """KID, the squared maximum mean discrepancy of a cubic kernel, and its standard error; 0 on average for real."""

    kid: float
    se: float


@dataclass(frozen=True)
class Manifold:
    """Density (1 on average for real images, may exceed it) and coverage, 0..1 (Naeem et al. 2020, eq. 4 and 5)."""

    density: float
    coverage: float


@dataclass(frozen=True)
class Labels:
    """Images by the class that the classifier sees in them, generated and real."""

    generated: tuple[int, ...]
    real: tuple[int, ...]

    @property
    def total_variation(self) -> float:
        """Half the sum of the absolute differences of the shares: 0 the same, 1 disjoint."""
        shares = (np.array(counts) / sum(counts) for counts in (self.generated, self.real))
        return float(np.abs(np.subtract(*shares)).sum() / 2)


@dataclass(frozen=True)
class Memorisation:
    """How near generated images lie to the training images, measured by how near held-out real ones do."""

    share: float
    """Of generated images nearer than the 1st percentile of held-out ones: 0.01 if they are like those, 1 for copies"""
    ratio: float
    """Median distance of generated images to that of held-out ones: 1 if they are like those, 0 for copies"""


def kernel_distance(generated: Features, real: Features) -> KernelDistance:
    """Return the unbiased KID of features (n, d) and (m, d), kernel (x y / d + 1)^3 (Binkowski et al. 2018, eq. 4).

    The error is the delta method's, over the draw of both; it is about 1.4 times the spread of repeated draws, where
    that over subsets is 2.5 times (256 real, and noisy, MNIST images in blocks of 32).

    Raises:
        ValueError: fewer than two vectors.
    """
    if min(len(generated), len(real)) < 2:
        raise ValueError(f"KID takes 2 vectors or more of each kind, given {len(generated)} and {len(real)}")
    # The result is a thousandth of its terms: float32 would leave three digits of it.
    x, y = generated.astype(np.float64), real.astype(np.float64)
    across = _kernel(x, y)
    # By how much each vector is more like its own kind than like the other.
    apart = (_likeness(x) - across.mean(1), _likeness(y) - across.mean(0))
    errors = [4 * values.var(ddof=1) / len(values) for values in apart]
    return KernelDistance(float(sum(values.mean() for values in apart)), float(np.sqrt(sum(errors))))


def _kernel(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _likeness(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean kernel (n,) of each vector with the others."""
    kernel = _kernel(x, x)
    return (kernel.sum(1) - np.diag(kernel)) / (len(x) - 1)


def manifold(generated: Features, real: Features, neighbours: int = NEIGHBOURS) -> Manifold:
    """Return density and coverage of features (n, d) and (m, d); both grow with n / m, so compare at n = m.

    Raises:
        ValueError: no more than `neighbours` real vectors.
    """
    if len(real) <= neighbours:
        raise ValueError(f"density and coverage take more than {neighbours} real vectors, given {len(real)}")
    x, y = (torch.from_numpy(vectors).double() for vectors in (generated, real))
    radii = torch.cdist(y, y).kthvalue(neighbours + 1, 1).values  # the nearest of all is the vector itself
    inside = torch.cdist(x, y) < radii
    density = inside.double().sum(1).mean().item() / neighbours
    return Manifold(density, inside.any(0).double().mean().item())


@torch.no_grad()
def labels(classifier: Classifier, generated: Features, real: Features) -> Labels:
    """Return the predicted classes of images given by their "flat" features (n, 1024) and (m, 1024)."""
    head = classifier.head

    def count(x: Features) -> tuple[int, ...]:
        seen = head(torch.from_numpy(x).to(head.weight.device)).argmax(1)
        return tuple(torch.bincount(seen, minlength=head.out_features).tolist())

    return Labels(count(generated), count(real))


def memorisation(generated: Tensor, held_out: Tensor) -> Memorisation:
    """Return what the distances to the `nearest` training image, of generated (n,) and held-out images (m,), tell.

    Blurred and empty images are near to something too, so a ratio below 1 alone says little; a share near 1 does.
    """
    limit = held_out.quantile(MEMORISED)
    return Memorisation((generated < limit).double().mean().item(), (generated.median() / held_out.median()).item())


def nearest(images: Tensor, training: Tensor) -> Tensor:
    """Return the Euclidean distance (n,) of uint8 images (n, C, H, W) to the nearest training image (N, C, H, W).

    In units of black to white, on images averaged down to at most 32 pixels a side.
    """
    queries = _vectors(images)
    best = queries.new_full((len(queries),), torch.inf)
    squares = queries.square().sum(1)
    for chunk in training.split(CHUNK):
        others = _vectors(chunk.to(images.device))
        products = torch.addmm(others.square().sum(1), queries, others.T, alpha=-2)
        best = torch.minimum(best, products.min(1).values)
    return (best + squares).clamp(min=0).sqrt()


def _vectors(images: Tensor) -> Tensor:
    x, factor = images.float() / 255, -(-max(images.shape[-2:]) // SIDE)
    return (x if factor == 1 else functional.avg_pool2d(x, factor)).flatten(1)
