"""The Frechet distance against independent oracles: closed forms, scipy's sqrtm, torchmetrics, weighted statistics."""

from collections.abc import Callable

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance

from trainables.metric.frechet import Statistics, frechet_distance, standard_error

# (d, n of the generated, n of the real): 14 with full-rank covariances, 6 where one or both have n < d.
CASES = [(d, a, b) for d in (1, 2, 5, 16, 48) for a, b in ((80, 120), (300, 90))]
CASES += [(24, 1_000, 700), (64, 256, 512), (64, 512, 5_000), (100, 400, 300)]
CASES += [(32, 20, 200), (64, 63, 400), (128, 32, 512), (128, 500, 60), (96, 40, 50), (200, 64, 1_000)]


def draw(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    """Correlated features of very unequal variances, as a classifier's are."""
    scales = np.geomspace(3, 0.1, d)
    mixing = np.eye(d) + 0.3 * rng.normal(size=(d, d)) / np.sqrt(d)
    return rng.normal(size=(n, d)) * scales @ mixing + rng.normal(size=d) * 0.3


def by_sqrtm(a: np.ndarray, b: np.ndarray) -> float:
    covariances = [np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b)]
    cross = scipy.linalg.sqrtm(covariances[0] @ covariances[1])
    means = ((a.mean(0) - b.mean(0)) ** 2).sum()
    return float(means + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * np.trace(cross).real)


Oracle = Callable[[np.ndarray, np.ndarray], float]


class Passthrough(nn.Module):
    def __init__(self, d: int) -> None:
        super().__init__()
        self.num_features = d

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def by_torchmetrics(a: np.ndarray, b: np.ndarray) -> float:
    fid = FrechetInceptionDistance(feature=Passthrough(a.shape[1])).set_dtype(torch.float64)
    fid.update(torch.from_numpy(a), real=False)
    fid.update(torch.from_numpy(b), real=True)
    return float(fid.compute())


@pytest.mark.parametrize(("d", "n_a", "n_b"), CASES)
@pytest.mark.parametrize("oracle", [by_sqrtm, by_torchmetrics])
def test_the_distance_is_that_of_scipy_and_torchmetrics(d: int, n_a: int, n_b: int, oracle: Oracle) -> None:
    rng = np.random.default_rng(d * 1_000_003 + n_a)
    a, b = draw(rng, n_a, d), draw(rng, n_b, d)
    # Where n < d the references take roots of rounding errors; their own agreement is no better than 1e-5.
    tolerance = 1e-6 if min(n_a, n_b) > d else 1e-5
    ours = frechet_distance(Statistics.from_features(a), Statistics.from_features(b))
    assert ours == pytest.approx(oracle(a, b), rel=tolerance)


@pytest.mark.parametrize("d", [1, 3, 20])
def test_commuting_gaussians_have_the_closed_form_distance(d: int) -> None:
    rng = np.random.default_rng(d)
    axes = np.linalg.qr(rng.normal(size=(d, d)))[0]
    spread_a, spread_b = rng.uniform(0, 4, d), rng.uniform(0, 4, d)  # standard deviations along common axes
    mean_a, mean_b = rng.normal(size=d), rng.normal(size=d)
    a = Statistics(mean_a, axes * spread_a**2 @ axes.T, 100)
    b = Statistics(mean_b, axes * spread_b**2 @ axes.T, 100)
    expected = ((mean_a - mean_b) ** 2).sum() + ((spread_a - spread_b) ** 2).sum()
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("d", "n_a", "n_b"), CASES[::3])
def test_the_distance_is_symmetric_and_invariant_under_isometries(d: int, n_a: int, n_b: int) -> None:
    rng = np.random.default_rng(d + n_a)
    a, b = draw(rng, n_a, d), draw(rng, n_b, d)
    distance = frechet_distance(Statistics.from_features(a), Statistics.from_features(b))
    assert frechet_distance(Statistics.from_features(b), Statistics.from_features(a)) == pytest.approx(
        distance, rel=1e-6
    )
    turn, shift = np.linalg.qr(rng.normal(size=(d, d)))[0], rng.normal(size=d)
    moved = [Statistics.from_features(x @ turn + shift) for x in (a, b)]
    assert frechet_distance(*moved) == pytest.approx(distance, rel=1e-6)


@pytest.mark.parametrize(("d", "n"), [(3, 50), (64, 512), (64, 20)])
def test_identical_statistics_are_at_distance_zero(d: int, n: int) -> None:
    statistics = Statistics.from_features(draw(np.random.default_rng(d), n, d))
    assert frechet_distance(statistics, statistics) == pytest.approx(0, abs=1e-5 * np.trace(statistics.covariance))


def test_the_small_route_through_n_by_n_equals_the_large_one() -> None:
    rng = np.random.default_rng(0)
    a, b = Statistics.from_features(draw(rng, 20, 60)), Statistics.from_features(draw(rng, 500, 60))
    assert a.factor is not None
    large = Statistics(a.mean, a.covariance, a.n)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(large, b), rel=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(bad: float) -> None:
    features = draw(np.random.default_rng(0), 30, 4)
    good = Statistics.from_features(features)
    features[7, 2] = bad
    with pytest.raises(ValueError, match="1 of 120 values are NaN or infinite"):
        Statistics.from_features(features)
    with pytest.raises(ValueError, match="1 of 4 values are NaN or infinite"):
        frechet_distance(good, Statistics(np.array([0, 0, bad, 0]), good.covariance, 30))


@pytest.mark.parametrize("shape", [(1, 4), (0, 4), (9,)])
def test_statistics_need_two_vectors(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="n of 2 or more"):
        Statistics.from_features(np.zeros(shape))


def test_different_layers_are_not_compared() -> None:
    a, b = (Statistics.from_features(np.eye(d)) for d in (3, 4))
    with pytest.raises(ValueError, match="3 and of 4 features"):
        frechet_distance(a, b)


@pytest.mark.parametrize(("d", "n"), [(4, 300), (8, 400)])
def test_the_standard_error_is_the_spread_over_repeated_samples(d: int, n: int) -> None:
    rng = np.random.default_rng(d)
    real = Statistics.from_features(rng.normal(size=(5_000, d)))
    samples = [0.4 + rng.normal(size=(n, d)) * np.linspace(0.5, 1.5, d) for _ in range(400)]
    spread = np.std([frechet_distance(Statistics.from_features(x), real) for x in samples])
    estimates = [standard_error(x, real) for x in samples]
    # 400 repetitions know their standard deviation to 3.5 %.
    assert np.mean(estimates) == pytest.approx(spread, rel=0.12)


@pytest.mark.parametrize(("d", "n"), [(5, 60), (30, 12)])
def test_the_standard_error_is_that_of_the_infinitesimal_jackknife(d: int, n: int) -> None:
    rng = np.random.default_rng(n)
    x, real = draw(rng, n, d), Statistics.from_features(draw(rng, 400, d))

    def distance(weights: np.ndarray) -> float:
        mean = weights @ x
        centred = x - mean
        return frechet_distance(Statistics(mean, centred.T * weights @ centred * n / (n - 1), n), real)

    step, uniform = 1e-4, np.full(n, 1 / n)
    towards = [uniform + step * (np.eye(n)[i] - uniform) for i in range(n)]
    away = [uniform - step * (np.eye(n)[i] - uniform) for i in range(n)]
    influence = [(distance(up) - distance(down)) / (2 * step) for up, down in zip(towards, away, strict=True)]
    assert standard_error(x, real) == pytest.approx(np.std(influence, ddof=1) / np.sqrt(n), rel=2e-3)


def test_one_image_repeated_has_no_spread() -> None:
    real = Statistics.from_features(draw(np.random.default_rng(1), 100, 6))
    assert standard_error(np.ones((20, 6)), real) == pytest.approx(0, abs=1e-12)
