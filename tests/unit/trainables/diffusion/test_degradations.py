"""Degradations: what holds of every kind and composition, beside trainables/laws.py.

What each kind is stands in test_degradations_*.py.
"""

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.helpers.diffusion import MakeSource, T, at, degradation_of
from trainables.diffusion.degradations import (
    DEGRADATIONS,
    Chain,
    Degradation,
    Fade,
    LinearInterpolant,
    Overlay,
    fitted_prior,
)
from trainables.diffusion.schedules import Step
from trainables.diffusion.source import Source

OVERLAYS = [kind for kind, member in DEGRADATIONS.items() if issubclass(member, Overlay) and kind != "gaussian"]
COMPOSED = [
    *(f"{kind}+gaussian" for kind in DEGRADATIONS if kind != "gaussian"),
    *(f"{kind}+noise" for kind in OVERLAYS),
    "mask+contrast+gaussian",
    "gaussian+contrast+mask",
    "contrast+morph",
    "elastic+blur+noise",
    "average+snow",
]
ALL = [*DEGRADATIONS, *COMPOSED]
# Each route through Chain: the last part is solved for z or not, the prior is of the last part, of another, or of none.
KINDS = [*DEGRADATIONS, "mask+contrast+gaussian", "morph+noise", "average+snow", "elastic+blur+noise"]
SHAPES = [(1, 28, 28), (3, 17, 23)]
END = Step(alpha=torch.zeros(8), sigma=torch.ones(8), time=torch.ones(8))


def same(a: Any, b: Any) -> bool:
    return all(map(same, a, b)) if isinstance(a, tuple) else torch.equal(a, b)


@pytest.fixture(params=SHAPES, ids=str)
def x0(request: pytest.FixtureRequest, make_source: MakeSource) -> Tensor:
    channels, *size = request.param
    return make_source(seed=9, channels=channels, size=tuple(size)).images(12)


def source_like(make_source: MakeSource, x0: Tensor, seed: int = 0) -> Source:
    return make_source(seed=seed, channels=x0.shape[1], size=tuple(x0.shape[-2:]))


@pytest.mark.parametrize("kind", DEGRADATIONS)
def test_it_serves_photographs_and_any_odd_size(kind: str, make_source: MakeSource) -> None:
    degradation = degradation_of(kind)
    for shape in ((3, 100, 100), (1, 5, 31), (1, 1, 2)):
        source = make_source(channels=shape[0], size=shape[1:])
        x0 = source.images(3)
        x_t = degradation(x0, at(torch.tensor([0, 9, T]), 3), degradation.draw(x0, source))
        assert torch.equal(x_t[0], x0[0])
        assert x_t.shape == x0.shape
        assert x_t.isfinite().all()
        if degradation.has_prior or kind == "noise":  # fitted to 1,024 photographs in the same way for all others
            x_T, z = degradation.prior(x0.shape, at(T, 3), source)
            assert degradation(x0, at(T, 3), z).shape == x_T.shape == x0.shape


@pytest.mark.parametrize("kind", DEGRADATIONS)
def test_what_it_keeps_from_sampling_serves_training(kind: str, make_source: MakeSource) -> None:
    """Tables are made at first use, for a size of its own here; torch takes no gradients through inference tensors."""
    source, degradation = make_source(size=(19, 21)), degradation_of(kind)
    x0 = source.images(4)
    with torch.inference_mode():
        degradation(x0, at(9, 4), degradation.draw(x0, source))
    weight = torch.ones(1, requires_grad=True)
    (weight * degradation(x0, at(9, 4), degradation.draw(x0, source))).sum().backward()
    assert weight.grad is not None


@pytest.mark.parametrize("kind", KINDS)
def test_in_bf16_it_is_the_float32_result_rounded(kind: str, x0: Tensor, make_source: MakeSource) -> None:
    """Once for each part of a composition, so that of several parts they add up, doubled by the contrast."""
    degradation, half = degradation_of(kind), x0.bfloat16()
    t = torch.arange(len(x0)) * T // (len(x0) - 1)
    z = degradation.draw(half, source_like(make_source, x0))
    x_t = degradation(half, at(t, len(x0)), z)
    assert x_t.dtype == torch.bfloat16
    assert torch.equal(x_t[0], half[0])
    exact = degradation(half.float(), at(t, len(x0)), z)
    # A bf16 has 8 bits: rounded, it is off by at most 2^-8 of itself.
    torch.testing.assert_close(x_t.float(), exact, rtol=2**-8, atol=0.04 if "+" in kind else 1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_draws_differ_between_images_and_seeds(kind: str, x0: Tensor, make_source: MakeSource) -> None:
    degradation = degradation_of(kind)
    x_T, _ = degradation.prior(x0.shape, at(T, len(x0)), source_like(make_source, x0))
    assert x_T.shape == x0.shape
    assert not torch.equal(x_T[0], x_T[1])
    z, other = (degradation.draw(x0, source_like(make_source, x0, seed)) for seed in (5, 6))
    for latent, another in zip(*(z if isinstance(z, tuple) else (z,) for z in (z, other)), strict=True):
        assert len(latent) == len(x0)
        if latent.numel():  # a degradation may need nothing besides x0
            assert not torch.equal(latent, another)
            assert not torch.equal(latent[0], latent[1])


@pytest.mark.parametrize("kind", KINDS)
def test_it_changes_an_image_more_and_more(kind: str, make_source: MakeSource) -> None:
    """On average over images: otherwise t says nothing about how far an image is degraded."""
    degradation, source = degradation_of(kind), make_source()
    x0 = source.images(256)
    z = degradation.draw(x0, source)
    far = [(degradation(x0, at(t, 256), z) - x0).square().mean().item() for t in (1, T // 4, T // 2, T)]
    assert 0 < far[0] < far[1] < far[2] < far[3]


@pytest.mark.parametrize(
    "kind", [kind for kind, member in DEGRADATIONS.items() if issubclass(member, LinearInterpolant)]
)
def test_a_straight_path_has_the_velocity_z_minus_x0_everywhere(kind: str, x0: Tensor, make_source: MakeSource) -> None:
    z = degradation_of(kind).draw(x0, source_like(make_source, x0))
    for t, s in ((1, 0), (9, 5), (T, T // 2)):
        later, sooner = at(t, len(x0)), at(s, len(x0))
        moved = degradation_of(kind)(x0, later, z) - degradation_of(kind)(x0, sooner, z)
        torch.testing.assert_close(moved, (later.sigma[0] - sooner.sigma[0]) * (z - x0), rtol=0, atol=1e-5)


@pytest.mark.parametrize("t", [1, 9, T])
@pytest.mark.parametrize("kind", KINDS)
def test_an_estimate_leads_to_x_t(kind: str, t: int, x0: Tensor, make_source: MakeSource) -> None:
    """From whatever x0 a network may guess; a degradation that cannot be solved returns z itself."""
    degradation, source = degradation_of(kind), source_like(make_source, x0)
    z, step = degradation.draw(x0, source), at(t, len(x0))
    x_t, guess = degradation(x0, step, z), source.images(len(x0))
    estimate = degradation.estimate(x_t, guess, step, z)
    last = degradation.parts[-1] if isinstance(degradation, Chain) else degradation
    if type(last).estimate is Degradation.estimate:
        assert same(estimate, z)
    else:
        torch.testing.assert_close(degradation(guess, step, estimate), x_t, rtol=0, atol=1e-5)
        recovered = degradation(x0, step, degradation.estimate(x_t, x0, step, z))
        torch.testing.assert_close(recovered, x_t, rtol=0, atol=1e-5)


def prior_member(kind: str) -> type[Degradation] | None:
    """What a composition's prior is made of: the last part that has one."""
    own = [DEGRADATIONS[part] for part in kind.split("+") if DEGRADATIONS[part].has_prior]
    return own[-1] if own else None


@pytest.mark.parametrize("kind", [*KINDS, "gaussian+contrast+mask", "contrast+morph"])
def test_without_a_prior_of_its_own_it_takes_the_fitted_one_and_only_then(kind: str, make_source: MakeSource) -> None:
    degradation, shape, step = degradation_of(kind), torch.Size((8, 1, 28, 28)), at(T, 8)
    own = degradation.prior(shape, step, make_source())
    assert same(own, fitted_prior(degradation, shape, step, make_source())) == (prior_member(kind) is None)


@pytest.mark.parametrize("kind", [k for k in ALL if issubclass(prior_member(k) or Degradation, Overlay | Fade)])
def test_the_prior_of_what_replaces_an_image_is_what_is_left_without_any_signal(
    kind: str, make_source: MakeSource
) -> None:
    """From any image whatever, with the z that comes with it."""
    degradation, shape = degradation_of(kind), torch.Size((8, 1, 28, 28))
    x_T, z = degradation.prior(shape, END, make_source())
    for x0 in (torch.zeros(shape), make_source(seed=1).images(8)):
        torch.testing.assert_close(degradation(x0, END, z), x_T)


@pytest.mark.parametrize("kind", [kind for kind, member in DEGRADATIONS.items() if member.has_prior])
def test_a_prior_of_its_own_is_degraded_as_far_as_can_be(kind: str, x0: Tensor, make_source: MakeSource) -> None:
    """Degrading x_T to the end, with its z, leaves it as it is, but for the pixel noise on blurred images."""
    end = Step(*(part[:1].expand(len(x0)) for part in END))
    x_T, z = degradation_of(kind).prior(x0.shape, end, source_like(make_source, x0))
    noise = 0.002 * 2 if kind == "blur" else 1e-6
    torch.testing.assert_close(degradation_of(kind)(x_T, end, z), x_T, rtol=0, atol=6 * noise)


@pytest.mark.parametrize(
    "kind", [*(k for k, member in DEGRADATIONS.items() if not member.has_prior), "mask+contrast", "contrast+noise"]
)
def test_without_a_prior_of_its_own_it_has_mean_and_covariance_of_degraded_images(
    kind: str, make_source: MakeSource
) -> None:
    degradation, n, size = degradation_of(kind), 4000, (4, 5)
    source = make_source(size=size)
    x0 = source.images(10 * n)
    degraded = degradation(x0, at(T, len(x0)), degradation.draw(x0, source)).flatten(1).double()
    mean, covariance = degraded.mean(0), degraded.T.cov()
    # What a covariance scatters by, squared (Frobenius norm): of n normal images, and of the 1,024 images fitted to.
    sampled = (covariance.trace() ** 2 + covariance.square().sum()) / n
    fitted = ((degraded - mean).square().sum(1).square().mean() - covariance.square().sum()) / 1024
    for draw in (fitted_prior, type(degradation).prior):
        x_T, _ = draw(degradation, x0[:n].shape, at(T, n), make_source(seed=1, size=size))
        found = x_T.flatten(1).double()
        assert (found.mean(0) - mean).norm() < 3 * (covariance.trace() * (1 / n + 1 / 1024)).sqrt()
        assert (found.T.cov() - covariance).norm() < 3 * (sampled + fitted).sqrt()


@pytest.mark.parametrize("kind", ["noise", "mask+noise"])
def test_the_noise_beside_a_fitted_image_is_standard_normal(kind: str, make_source: MakeSource) -> None:
    _, z = fitted_prior(degradation_of(kind), torch.Size((64, 1, 28, 28)), at(T, 64), make_source())
    noise = z[-1] if "+" in kind else z
    assert noise.std().item() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("kind", COMPOSED)
def test_a_composition_is_its_parts_in_order(kind: str, x0: Tensor, make_source: MakeSource) -> None:
    chain, step = degradation_of(kind), at(T // 2, len(x0))
    z = chain.draw(x0, source_like(make_source, x0))
    x_t = x0
    for name, own in zip(kind.split("+"), z, strict=True):
        x_t = degradation_of(name)(x_t, step, own)
    assert torch.equal(chain(x0, step, z), x_t)


def test_the_order_of_a_composition_matters(make_source: MakeSource) -> None:
    source = make_source()
    x0 = source.images(4)
    z, step = degradation_of("mask+gaussian").draw(x0, source), at(T // 2, 4)
    masked_last = degradation_of("gaussian+mask")(x0, step, z[::-1])
    assert not torch.equal(degradation_of("mask+gaussian")(x0, step, z), masked_last)
    assert (masked_last == 0).any()
