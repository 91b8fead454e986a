"""Draws of t in training: whole steps from 1 to T, distributed as each kind says."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from tests.helpers.diffusion import MakeSource
from trainables.diffusion.times import TIMES

N, T = 4_000, 1_000


@pytest.mark.parametrize("T", [1, 2, 28, 1_000])
@pytest.mark.parametrize("kind", TIMES)
def test_every_t_is_a_step(kind: str, T: int, make_source: MakeSource) -> None:
    for mean in (-2.0, 0.0, 2.0):
        t = TIMES[kind](N, T, mean, make_source())
        assert t.dtype == torch.int64
        assert t.shape == (N,)
        assert t.min() >= 1
        assert t.max() <= T


@pytest.mark.parametrize("kind", ["uniform", "stratified"])
def test_no_step_is_likelier_than_another(kind: str, make_source: MakeSource) -> None:
    t = torch.cat([TIMES[kind](40, 10, 0.0, make_source(seed)) for seed in range(100)])
    assert stats.chisquare(torch.bincount(t, minlength=11)[1:].numpy()).pvalue > 1e-4


def test_uniform_steps_are_those_of_torch(make_source: MakeSource) -> None:
    expected = torch.randint(1, T + 1, (N,), generator=torch.Generator().manual_seed(0))
    assert torch.equal(TIMES["uniform"](N, T, 0.0, make_source(0)), expected)


@pytest.mark.parametrize("n", [1, 7, 32])
def test_a_stratified_batch_has_one_step_in_each_part(n: int, make_source: MakeSource) -> None:
    t = TIMES["stratified"](n, 32 * 7, 0.0, make_source())
    parts = ((t - 1) * n) // (32 * 7)
    assert parts.tolist() == list(range(n))


@pytest.mark.parametrize("mean", [-1.0, 0.0, 0.7])
def test_the_logit_is_normal(mean: float, make_source: MakeSource) -> None:
    """Against scipy, up to the rounding of t to whole steps."""
    t = TIMES["logit_normal"](N, T, mean, make_source()).numpy()
    shares = (t - 0.5) / T
    result = stats.kstest(np.log(shares / (1 - shares)), stats.norm(mean, 1).cdf)
    assert result.statistic < 1.63 / math.sqrt(N)  # the 1 % point of Kolmogorov's distribution
