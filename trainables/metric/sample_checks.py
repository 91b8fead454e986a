"""Cross-checks of generated against real images, beside FMD.

KID is a second distance, without the bias of a small n. Density measures quality and coverage variety. Predicted labels
show missing classes. The distance to the nearest training image shows copies.
"""

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
SIDE = 32  # pixels; larger images are averaged down to find neighbours, as the cost is n x training images x pixels


def kernel_distance(generated: Features, real: Features) -> tuple[float, float]:
    """Return the unbiased KID of features (n, d) and (m, d), 0 on average for real images, and its standard error.

    KID is the squared maximum mean discrepancy with the kernel (x y / d + 1)^3 (Binkowski et al. 2018, eq. 4). The
    error is by the delta method, over the draw of both. It is about 1.4 times the standard deviation of
    repeated draws; the error over subsets is 2.5 times that (256 real and noisy MNIST images in blocks of 32).
    """
    if min(len(generated), len(real)) < 2:
        raise ValueError(f"KID takes 2 vectors or more of each kind, given {len(generated)} and {len(real)}")
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
    """Return density and coverage of features (n, d) and (m, d) (Naeem et al. 2020, eq. 4 and 5).

    Density is 1 on average for real images, and may exceed it; coverage is 0..1. Both grow with n / m, so n = m is for
    comparisons.
    """
    if len(real) <= neighbours:
        raise ValueError(f"density and coverage take more than {neighbours} real vectors, given {len(real)}")
    x, y = (torch.from_numpy(vectors).double() for vectors in (generated, real))
    radii = torch.cdist(y, y).kthvalue(neighbours + 1, 1).values  # the nearest of all is the vector itself
    inside = torch.cdist(x, y) < radii
    density = inside.double().sum(1).mean().item() / neighbours
    return density, inside.any(0).double().mean().item()


@torch.no_grad()
def labels(classifier: Classifier, flat: Features) -> tuple[int, ...]:
    """Return the numbers of images by predicted class, given their "flat" features (n, 1024)."""
    head = classifier.head
    seen = head(torch.from_numpy(flat).to(head.weight.device)).argmax(1)
    return tuple(torch.bincount(seen, minlength=head.out_features).tolist())


def total_variation(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    """Return half the sum of the absolute differences of the shares: 0 for equal, 1 for disjoint shares."""
    return float(np.abs(np.array(a) / sum(a) - np.array(b) / sum(b)).sum() / 2)


def memorisation(generated: Tensor, held_out: Tensor) -> tuple[float, float]:
    """Compare the distances to the `nearest` training image, of generated (n,) and held-out images (m,).

    Returns:
        Share of generated images nearer than the 1st percentile of held-out ones: 0.01 if like them, 1 for copies.
        Median distance of generated images over that of held-out ones: 1 if like them, 0 for copies, but below 1 for
        blurred and empty images, too.
    """
    limit = held_out.quantile(MEMORISED)
    return (generated < limit).double().mean().item(), (generated.median() / held_out.median()).item()


def nearest(images: Tensor, training: Tensor) -> Tensor:
    """Return the Euclidean distance (n,) of uint8 images (n, C, H, W) to the nearest training image (N, C, H, W).

    The unit is the range from black to white; images are averaged down to at most 32 pixels a side.
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
