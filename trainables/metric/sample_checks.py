"""Cross-checks of generated against real images, beside FMD.

KID is a second distance, without the bias of a small n. Density measures quality and coverage variety. Predicted labels
show missing classes, and the probability of the predicted label shows images that are of no class. The distances to the
nearest training images show copies.
"""

from itertools import count as counting

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from trainables.metric.feature_network import FeatureNetwork

Features = NDArray[np.float32]

NEIGHBOURS = 5  # Naeem et al. 2020, section 4.1
# Quantile of the held-out real images' nearest distances; a sample below it counts as memorised, or as repeated.
NEAREST = 0.01
# A sample is readable if the classifier's probability is at least the LEAST_SURE quantile of that of held-out real
# images, or SURE if that is lower.
LEAST_SURE, SURE = 0.01, 0.9
# A sample is a copy if its nearest training image is at less than a third of the distance of the tenth nearest: Yoon et
# al. 2023 take the second nearest, which fails where the training images have duplicates. No held-out image of MNIST
# has its nearest at less than half. Source: tests/benchmarks/checks.py.
COPY, TENTH = 1 / 3, 10
# Nearer than this it is a copy whatever the tenth nearest is, which is as near where training has the image ten times.
# With 28 x 28 pixels a difference of one grey level each is 0.11. Equal images are up to 0.04 apart in float32.
ALIKE = 0.1
CHUNK = 4096  # training images compared at a time
VALUES = 1024  # of an image; larger ones are averaged down to find neighbours: the cost is n x training images x values


def kernel_distance(generated: Features, real: Features) -> tuple[float, float]:
    """Return the unbiased KID of features (n, d) and (m, d), 0 on average for real images, and its standard error.

    KID is the squared maximum mean discrepancy with the kernel (x y / d + 1)^3 (Binkowski et al. 2018, eq. 4). The
    error is by the delta method, over the draw of both. It is about 1.4 times the standard deviation of
    repeated draws; the error over subsets is 2.5 times that (256 real and noisy MNIST images in blocks of 32).
    """
    # float64, because the result is a thousandth of its terms.
    x, y = generated.astype(np.float64), real.astype(np.float64)
    across = _kernel(x, y)
    # The mean kernel of each vector with its own set minus that with the other set.
    apart = (_likeness(x) - across.mean(1), _likeness(y) - across.mean(0))
    errors = [4 * values.var(ddof=1) / len(values) for values in apart]
    return float(sum(values.mean() for values in apart)), float(np.sqrt(sum(errors)))


def _kernel(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _likeness(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean kernel (n,) of each vector with the others."""
    kernel = _kernel(x, x)
    return (kernel.sum(1) - np.diag(kernel)) / (len(x) - 1)


def manifold(generated: Features, real: Features, neighbours: int = NEIGHBOURS) -> tuple[float, float]:
    """Return density and coverage of features (n, d) and (m, d), m above `neighbours` (Naeem et al. 2020, eq. 4, 5).

    Density is 1 on average for real images, and may exceed it; coverage is 0..1. Coverage grows with n / m, so
    compare at n = m.
    """
    x, y = (torch.from_numpy(vectors.astype(np.float64)) for vectors in (generated, real))  # they may be read-only
    radii = torch.cdist(y, y).kthvalue(neighbours + 1, 1).values  # the nearest of all is the vector itself
    inside = torch.cdist(x, y) < radii
    density = inside.double().sum(1).mean().item() / neighbours
    return density, inside.any(0).double().mean().item()


@torch.no_grad()
def labels(classifier: FeatureNetwork, flat: Features) -> tuple[int, ...]:
    """Return the numbers of images by predicted class, given their "flat" features (n, 1024)."""
    head = classifier.head
    seen = head(torch.from_numpy(flat).to(head.weight.device)).argmax(1)
    return tuple(torch.bincount(seen, minlength=head.out_features).tolist())


@torch.no_grad()
def sureness(classifier: FeatureNetwork, flat: Features) -> Tensor:
    """Return the probability (n,) of the predicted class of images, given their "flat" features (n, 1024)."""
    head = classifier.head
    return head(torch.from_numpy(flat).to(head.weight.device)).softmax(1).amax(1).cpu()


def readable_from(held_out: Tensor) -> float:
    """Return the sureness from which on a sample is readable, given that of held-out real images (n,).

    All but the least sure 1 % of real images are readable, and so is what the classifier gives a probability of 0.9.
    A classifier that is less sure than that of half of the real images cannot tell: then it is 0.
    """
    if held_out.median() < SURE:
        return 0.0
    return min(SURE, held_out.quantile(LEAST_SURE).item())


def total_variation(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    """Return half the sum of the absolute differences of the shares: 0 for equal, 1 for disjoint shares."""
    return float(np.abs(np.array(a) / sum(a) - np.array(b) / sum(b)).sum() / 2)


def nearer(generated: Tensor, held_out: Tensor) -> tuple[float, float]:
    """Compare the distances to a nearest image, of generated (n,) and of held-out real images (m,).

    Returns:
        Share of generated images nearer than the 1st percentile of held-out ones: 0.01 if like them, 1 for copies.
        Median distance of generated images over that of held-out ones: 1 if like them, 0 for copies, but below 1 for
        blurred and empty images, too.
    """
    limit = held_out.quantile(NEAREST)
    return (generated < limit).double().mean().item(), (generated.median() / held_out.median()).item()


def copied(distances: Tensor) -> float:
    """Return the share of images that are copies, given the distances to their `nearest` training images (n, count)."""
    first, last = distances[:, 0], distances[:, -1]
    return ((first < COPY * last) | (first < ALIKE)).double().mean().item()


def nearest(images: Tensor, training: Tensor, count: int = TENTH) -> Tensor:
    """Return the Euclidean distances of uint8 images (n, C, H, W) to the nearest training images (N, C, H, W).

    They are ascending, (n, count), or (n, N) where there are fewer training images. The unit is the range from black to
    white; images are averaged down to at most 1,024 values.
    """
    queries = _vectors(images)
    best = queries.new_empty((len(queries), 0))
    squares = queries.square().sum(1, keepdim=True)
    for chunk in training.split(CHUNK):
        others = _vectors(chunk.to(images.device))
        products = torch.addmm(others.square().sum(1), queries, others.T, alpha=-2)
        found = products.topk(min(count, len(chunk)), 1, largest=False, sorted=False).values
        best = torch.cat([best, found], 1)
        best = best.topk(min(count, best.shape[1]), 1, largest=False).values
    return (best + squares).clamp(min=0).sqrt()


def nearest_other(images: Tensor) -> Tensor:
    """Return the distance (n,), as that of `nearest`, of uint8 images (n, C, H, W) to the nearest other of them."""
    vectors = _vectors(images)
    return torch.cdist(vectors, vectors).fill_diagonal_(torch.inf).amin(1)


def _vectors(images: Tensor) -> Tensor:
    x = images.float() / 255
    factor = next(factor for factor in counting(1) if _values(images, factor) <= VALUES)
    return (x if factor == 1 else functional.avg_pool2d(x, factor)).flatten(1)


def _values(images: Tensor, factor: int) -> int:
    """Return how many values an image has once it is averaged down by a factor."""
    channels, height, width = images.shape[1:]
    return channels * (height // factor) * (width // factor)
