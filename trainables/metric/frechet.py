"""The Frechet distance between two Gaussians, in float64, and its standard error.

d^2 = |mu_a - mu_b|^2 + tr(S_a) + tr(S_b) - 2 tr((R S_a R)^(1/2)) with R = S_b^(1/2) (Dowson and Landau 1982; FID,
Heusel et al. 2017, arXiv:1706.08500). R S_a R is symmetric and S_a S_b is not, so eigvalsh is right for the first only.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Singular values below this share of the largest are rounding errors: their squares are eigenvalues with a relative
# error of 2e-16, so the values have one of 1.5e-8.
NEGLIGIBLE = 1e-7


@dataclass(frozen=True)
class Statistics:
    """Mean (d,) and unbiased covariance (d, d) of n feature vectors, float64.

    `factor` (n, d) has factor.T @ factor == covariance. It is there where n < d, for the smaller n x n eigenproblem.
    """

    mean: Array
    covariance: Array
    n: int
    factor: Array | None = None

    @classmethod
    def from_features(cls, features: np.ndarray) -> "Statistics":
        """Return the statistics of features (n, d), n >= 2."""
        if features.ndim != 2 or len(features) < 2:
            raise ValueError(f"statistics take features (n, d) with n of 2 or more, given shape {features.shape}")
        _check_finite(features)
        n, d = features.shape
        mean = features.mean(0, dtype=np.float64)
        factor = (features - mean) / np.sqrt(n - 1)
        return cls(mean, factor.T @ factor, n, factor if n < d else None)

    @cached_property
    def root(self) -> Array:
        """The symmetric positive square root (d, d) of the covariance, cached."""
        values, vectors = np.linalg.eigh(self.covariance)
        return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def frechet_distance(a: Statistics, b: Statistics) -> float:
    """Return the squared Frechet distance, 0 or more, in squared units of the features; `b.root` is cached."""
    if a.mean.shape != b.mean.shape:
        raise ValueError(f"statistics of {a.mean.size} and of {b.mean.size} features cannot be compared; use one layer")
    for statistics in (a, b):
        _check_finite(statistics.mean)
        _check_finite(statistics.covariance)
    means = np.square(a.mean - b.mean).sum()
    traces = np.trace(a.covariance) + np.trace(b.covariance)
    return max(float(means + traces - 2 * _root_trace(a, b)), 0.0)


def standard_error(features: np.ndarray, real: Statistics) -> float:
    """Return the standard error of frechet_distance(from_features(features), real) over the draw of features (n, d).

    By the delta method: the standard deviation of the distance's influence function over the sample, with `real` exact.
    With n < d the distance is mostly bias, and this is the error of the biased value.
    """
    n = len(features)
    mean = features.mean(0, dtype=np.float64)
    centred = features - mean
    by_covariance = np.square(centred).sum(1) - _transported(centred, real)
    # n / (n - 1) is the derivative of the unbiased covariance by the weight of a vector.
    influence = 2 * centred @ (mean - real.mean) + by_covariance * n / (n - 1)
    return float(influence.std(ddof=1) / np.sqrt(n))


def _transported(centred: Array, real: Statistics) -> Array:
    """Return x^T G x (n,) of each row, G = R (R S R)^(-1/2) R, twice the gradient of the root's trace by S."""
    n, d = centred.shape
    if n < d:
        # (n - 1) sum_k U_ik^2 s_k, with the left singular vectors U and values s of centred R / sqrt(n - 1)
        values, vectors = np.linalg.eigh(centred @ real.covariance @ centred.T / (n - 1))
        return (n - 1) * np.square(vectors) @ np.sqrt(np.maximum(values, 0))
    rooted = centred @ real.root
    values, vectors = np.linalg.eigh(rooted.T @ rooted / (n - 1))
    singular = np.sqrt(np.maximum(values, 0))
    kept = singular > NEGLIGIBLE * singular[-1]
    return np.square(rooted @ vectors[:, kept]) @ (1 / singular[kept])


def _root_trace(a: Statistics, b: Statistics) -> float:
    """Return tr((R S_a R)^(1/2)), by the n x n Gram matrix with the same eigenvalues where one side has n < d."""
    if a.factor is not None:
        product = a.factor @ b.covariance @ a.factor.T
    elif b.factor is not None:
        product = b.factor @ a.covariance @ b.factor.T
    else:
        product = b.root @ a.covariance @ b.root
    return float(np.sqrt(np.maximum(np.linalg.eigvalsh(product), 0)).sum())


def _check_finite(values: np.ndarray) -> None:
    bad = values.size - np.isfinite(values).sum()
    if bad:
        raise ValueError(f"{bad} of {values.size} values are NaN or infinite; a Frechet distance takes finite ones")
