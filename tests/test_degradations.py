"""Degradations: laws that every kind and composition obeys, and each kind against its definition in the literature."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from torch import Tensor

from trainables.config import Variant
from trainables.degradations import (
    DEGRADATIONS,
    Chain,
    Contrast,
    Degradation,
    Gaussian,
    Mask,
    Morph,
    PseudoQR,
    fitted_prior,
)
from trainables.schedules import Cosine, Linear, Step, step_at
from trainables.source import PIXELS, Source

MakeSource = Callable[..., Source]

OVERLAYS = [kind for kind, member in DEGRADATIONS.items() if member.has_prior and kind != "gaussian"]
KINDS = [
    *DEGRADATIONS,
    *(f"{kind}+gaussian" for kind in DEGRADATIONS if kind != "gaussian"),
    *(f"{kind}+noise" for kind in OVERLAYS),
    "mask+contrast+gaussian",
    "gaussian+contrast+mask",
    "contrast+morph",
]
SHAPES = [(1, 28, 28), (3, 28, 28), (1, 17, 17), (3, 17, 23)]
T = 28
ALPHA_BAR = Cosine(T=T).alpha_bar().float()


def make(kind: str) -> Degradation:
    """The degradation of that kind, with its defaults."""
    return Variant.from_flat({"degradation/kind": kind, "training/target": "x0", "sampler/kind": "cold2"}).degradation


def at(t: int | Tensor, n: int) -> Step:
    return step_at(ALPHA_BAR, torch.full((n,), t) if isinstance(t, int) else t)


def pick(z: Any, index: slice) -> Any:
    """The latents of some of the images."""
    return tuple(pick(part, index) for part in z) if isinstance(z, tuple) else z[index]


def clone(z: Any) -> Any:
    return tuple(clone(part) for part in z) if isinstance(z, tuple) else z.clone()


def same(a: Any, b: Any) -> bool:
    return all(map(same, a, b)) if isinstance(a, tuple) else torch.equal(a, b)


@pytest.fixture(params=SHAPES, ids=str)
def x0(request: pytest.FixtureRequest, make_source: MakeSource) -> Tensor:
    channels, *size = request.param
    return make_source(seed=9, channels=channels, size=tuple(size)).images(12)


def source_like(make_source: MakeSource, x0: Tensor, seed: int = 0) -> Source:
    return make_source(seed=seed, channels=x0.shape[1], size=tuple(x0.shape[-2:]))


@pytest.mark.parametrize("kind", KINDS)
def test_step_zero_is_the_clean_image_exactly(kind: str, x0: Tensor, make_source: MakeSource) -> None:
    degradation = make(kind)
    z = degradation.draw(x0, source_like(make_source, x0))
    assert torch.equal(degradation(x0, at(0, len(x0)), z), x0)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_pure_and_keeps_shape_and_type(kind: str, x0: Tensor, make_source: MakeSource) -> None:
    degradation = make(kind)
    z = degradation.draw(x0, source_like(make_source, x0))
    t = torch.arange(len(x0)) * T // (len(x0) - 1)
    given = x0.clone(), clone(z)
    first, second = degradation(x0, at(t, len(x0)), z), degradation(x0, at(t, len(x0)), z)
    assert torch.equal(first, second)
    assert same(given, (x0, z))
    assert first.shape == x0.shape
    assert first.dtype == torch.float32
    assert first.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_each_image_has_its_own_step_and_its_own_z(kind: str, x0: Tensor, make_source: MakeSource) -> None:
    degradation = make(kind)
    z = degradation.draw(x0, source_like(make_source, x0))
    t = torch.randperm(T + 1, generator=torch.Generator().manual_seed(1))[: len(x0)]
    together = degradation(x0, at(t, len(x0)), z)
    for k in range(len(x0)):
        own = slice(k, k + 1)
        alone = degradation(x0[own], at(t[own], 1), pick(z, own))
        torch.testing.assert_close(alone, together[own], rtol=0, atol=2e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_draws_follow_the_generator_and_differ_between_images(kind: str, x0: Tensor, make_source: MakeSource) -> None:
    degradation = make(kind)
    z, again, other = (degradation.draw(x0, source_like(make_source, x0, seed)) for seed in (5, 5, 6))
    assert same(z, again)
    for latent, another in zip(*(z if isinstance(z, tuple) else (z,) for z in (z, other)), strict=True):
        assert len(latent) == len(x0)
        if latent.numel():  # a degradation may need nothing besides x0
            assert not torch.equal(latent, another)
            assert not torch.equal(latent[0], latent[1])


@pytest.mark.parametrize("kind", KINDS)
def test_it_changes_an_image_more_and_more(kind: str, make_source: MakeSource) -> None:
    """On average over images: otherwise t says nothing about how far an image is degraded."""
    degradation, source = make(kind), make_source()
    x0 = source.images(256)
    z = degradation.draw(x0, source)
    far = [(degradation(x0, at(t, 256), z) - x0).square().mean().item() for t in (1, T // 4, T // 2, T)]
    assert 0 < far[0] < far[1] < far[2] < far[3]


@pytest.mark.parametrize("t", [1, 9, T])
@pytest.mark.parametrize("kind", KINDS)
def test_an_estimate_leads_to_x_t(kind: str, t: int, x0: Tensor, make_source: MakeSource) -> None:
    """From whatever x0 a network may guess; a degradation that cannot be solved returns z itself."""
    degradation, source = make(kind), source_like(make_source, x0)
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


@pytest.mark.parametrize("kind", KINDS)
def test_a_prior_has_the_images_shape_and_follows_the_generator(kind: str, x0: Tensor, make_source: MakeSource) -> None:
    degradation, step = make(kind), at(T, len(x0))
    (x_T, z), again = (degradation.prior(x0.shape, step, source_like(make_source, x0)) for _ in range(2))
    assert x_T.shape == x0.shape
    assert x_T.dtype == torch.float32
    assert x_T.isfinite().all()
    assert not torch.equal(x_T[0], x_T[1])
    assert same((x_T, z), again)
    assert degradation(x0, step, z).shape == x0.shape


@pytest.mark.parametrize("kind", [k for k in KINDS if any(DEGRADATIONS[part].has_prior for part in k.split("+"))])
def test_a_prior_of_its_own_is_what_is_left_without_any_signal(kind: str, make_source: MakeSource) -> None:
    """From any image whatever, with the z that comes with it."""
    degradation, shape = make(kind), torch.Size((8, 1, 28, 28))
    end = Step(torch.ones(8), torch.zeros(8), torch.ones(8))
    x_T, z = degradation.prior(shape, end, make_source())
    for x0 in (torch.zeros(shape), make_source(seed=1).images(8)):
        torch.testing.assert_close(degradation(x0, end, z), x_T)


@pytest.mark.parametrize("kind", ["contrast", "noise", "mask", "mask+contrast", "contrast+noise"])
def test_without_a_prior_of_its_own_it_has_mean_and_covariance_of_degraded_images(
    kind: str, make_source: MakeSource
) -> None:
    degradation, n, size = make(kind), 4000, (4, 5)
    source = make_source(size=size)
    x0 = source.images(10 * n)
    degraded = degradation(x0, at(T, len(x0)), degradation.draw(x0, source)).flatten(1).double()
    mean, covariance = degraded.mean(0), degraded.T.cov()
    # What sampling n images of such a covariance, from n degraded ones, scatters by (Frobenius norm).
    spread = ((covariance.trace() ** 2 + covariance.square().sum()) * 2 / n).sqrt()
    for draw in (fitted_prior, type(degradation).prior):
        x_T, _ = draw(degradation, x0[:n].shape, at(T, n), make_source(seed=1, size=size))
        found = x_T.flatten(1).double()
        fewer = n / 1024  # the images that the prior is fitted to
        assert (found.mean(0) - mean).norm() < 3 * (covariance.trace() * (1 + fewer) / n).sqrt()
        assert (found.T.cov() - covariance).norm() < 3 * spread * (1 + fewer) ** 0.5


def test_gaussian_has_the_mean_and_variance_of_q(make_source: MakeSource) -> None:
    n, alpha_bar, t = 40_000, Linear(T=200).alpha_bar().float(), 60
    image = torch.tensor([[-1.0, -0.2], [0.4, 1.0]])
    x0 = image.expand(n, 1, 2, 2)
    x_t = Gaussian()(x0, step_at(alpha_bar, torch.full((n,), t)), Gaussian().draw(x0, make_source())).double()
    variance = 1 - alpha_bar[t].double()
    assert ((x_t.mean(0) - alpha_bar[t].double().sqrt() * image).abs() < 5 * (variance / n).sqrt()).all()
    assert ((x_t.var(0) - variance).abs() < 5 * variance * (2 / n) ** 0.5).all()


@pytest.mark.parametrize("t", [1, 2, 500, 1000])
def test_gaussian_is_the_add_noise_of_diffusers(t: int, make_source: MakeSource) -> None:
    source = make_source()
    x0 = source.images(16)
    z = Gaussian().draw(x0, source)
    theirs = DDPMScheduler(num_train_timesteps=1000, beta_start=1e-4, beta_end=0.02, beta_schedule="linear")
    ours = Gaussian()(x0, step_at(Linear(T=1000).alpha_bar().float(), torch.full((16,), t)), z)
    torch.testing.assert_close(ours, theirs.add_noise(x0, z, torch.full((16,), t - 1)), rtol=0, atol=1e-5)


def test_morph_ends_at_an_overlay_image(make_source: MakeSource) -> None:
    source = make_source(pixels="0..1")
    x0 = source.images(32)
    z = Morph().draw(x0, source)
    end = Step(torch.ones(32), torch.zeros(32), torch.ones(32))
    assert torch.equal(Morph()(x0, end, z), z)
    known = {image.numpy().tobytes() for image in source.overlay_images}
    assert {image.numpy().tobytes() for image in PIXELS["0..1"].to_uint8(z)} <= known
    step = at(T // 2, 32)
    level = step.level[0].double().item()
    expected = (1 - level**2) ** 0.5 * x0.double() + level * z.double()
    torch.testing.assert_close(Morph()(x0, step, z).double(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("pixels", PIXELS)
@pytest.mark.parametrize("block", [1, 2, 4, 7])
def test_pseudo_qr_is_a_fair_pattern_of_black_and_white_blocks(
    block: int, pixels: str, make_source: MakeSource
) -> None:
    source = make_source(pixels=pixels, channels=3)
    z = PseudoQR(block).draw(source.images(400), source)
    low, high = PIXELS[pixels].low, PIXELS[pixels].high
    assert set(z.unique().tolist()) == {low, high}
    corners = z[:, :1, ::block, ::block]
    blocks = np.kron(corners.numpy(), np.ones((block, block), np.float32))[..., :28, :28]
    assert torch.equal(z, torch.from_numpy(blocks).expand_as(z))
    white = (corners == high).double()
    assert abs(white.mean().item() - 0.5) < 5 * 0.5 / white.numel() ** 0.5
    assert (white.mean((0, 1)) - 0.5).abs().max() < 5.5 * 0.5 / 400**0.5


def test_pseudo_qr_mixes_linearly_in_the_level(make_source: MakeSource) -> None:
    source = make_source(pixels="-0.5..0.5")
    x0 = source.images(8)
    z, step = PseudoQR().draw(x0, source), at(9, 8)
    s = step.level[0].item()
    torch.testing.assert_close(PseudoQR()(x0, step, z), x0 * (1 - s) + z * s, rtol=0, atol=1e-6)


def grivots_squares(t: int, T: int, height: int) -> tuple[int, int]:
    """How many squares, and their side, by the report's definition in exact arithmetic."""
    i = Fraction(t, T)
    return int(1 + 5 * i), int(3 + i * height / 4)


@pytest.mark.parametrize("length", [5, 7, 28, 49, 100, 1000])
def test_mask_zeroes_as_many_squares_of_the_side_that_the_literature_says(length: int) -> None:
    """With places apart from each other, so that the area counts them."""
    places = torch.tensor([[row, column] for row in (0.0, 0.999) for column in (0.0, 0.5, 0.999)])
    ts = torch.arange(1, length + 1)
    steps = step_at(Cosine(T=length).alpha_bar().float(), ts)
    x_t = Mask()(torch.ones(length, 1, 60, 60), steps, places.expand(length, 6, 2))
    assert set(x_t.unique().tolist()) == {0.0, 1.0}
    for t, image in zip(ts.tolist(), x_t, strict=True):
        count, side = grivots_squares(t, length, 60)
        assert (image == 0).sum().item() == count * side**2, f"t={t}"


@pytest.mark.parametrize("size", [(28, 28), (17, 23)])
def test_mask_zeroes_whole_squares_inside_the_image_and_nothing_else(
    size: tuple[int, int], make_source: MakeSource
) -> None:
    source = make_source(channels=3, size=size)
    x0 = source.images(64) + 3
    t = torch.arange(64) % T + 1
    x_t = Mask()(x0, at(t, 64), Mask().draw(x0, source))
    zeroed = (x_t == 0).all(1)
    assert torch.equal(x_t, x0 * ~zeroed[:, None])
    for k in range(64):
        count, side = grivots_squares(int(t[k]), T, size[0])
        assert side**2 <= zeroed[k].sum() <= count * side**2
        windows = zeroed[k].unfold(0, side, 1).unfold(1, side, 1).flatten(2).all(2)
        covered = torch.zeros(size, dtype=torch.bool)
        for row, column in windows.nonzero().tolist():
            covered[row : row + side, column : column + side] = True
        assert torch.equal(covered, zeroed[k])


def test_mask_reaches_every_pixel_and_prefers_no_side(make_source: MakeSource) -> None:
    x0 = torch.ones(4000, 1, 12, 12)
    share = (Mask()(x0, at(1, 4000), Mask().draw(x0, make_source())) == 0).double().mean((0, 1))
    assert (share > 0).all()
    for turned in (share.flip(0), share.flip(1), share.T):
        torch.testing.assert_close(share, turned, rtol=0, atol=0.05)


@pytest.mark.parametrize("t", [1, 7, 14, T])
def test_contrast_keeps_each_images_mean_and_scales_about_it_by_the_literatures_factor(
    t: int, make_source: MakeSource
) -> None:
    source, n = make_source(), 4000
    x0 = source.images(n)
    x_t = Contrast()(x0, at(t, n), Contrast().draw(x0, source))
    mean = x0.mean((1, 2, 3), keepdim=True)
    torch.testing.assert_close(x_t.mean((1, 2, 3), keepdim=True), mean, rtol=0, atol=1e-5)
    factor = ((x_t - mean) * (x0 - mean)).sum((1, 2, 3)) / (x0 - mean).square().sum((1, 2, 3))
    torch.testing.assert_close(mean + factor.view(-1, 1, 1, 1) * (x0 - mean), x_t, rtol=0, atol=1e-5)
    i = t / T
    low, high = 0.5 - i / 2, 1.5 + i / 2
    assert factor.min() >= low - 1e-5
    assert factor.max() <= high + 1e-5
    ranks = (factor.double().sort().values - low) / (high - low)
    # Kolmogorov and Smirnov: uniform between the bounds, at a significance of one in a million.
    assert (ranks - torch.linspace(0, 1, n, dtype=torch.float64)).abs().max() < 2.7 / n**0.5


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "+" in kind])
def test_a_composition_is_its_parts_in_order(kind: str, x0: Tensor, make_source: MakeSource) -> None:
    chain, step = make(kind), at(T // 2, len(x0))
    z = chain.draw(x0, source_like(make_source, x0))
    x_t = x0
    for name, own in zip(kind.split("+"), z, strict=True):
        x_t = make(name)(x_t, step, own)
    assert torch.equal(chain(x0, step, z), x_t)


def test_the_order_of_a_composition_matters(make_source: MakeSource) -> None:
    source = make_source()
    x0 = source.images(4)
    z, step = make("mask+gaussian").draw(x0, source), at(T // 2, 4)
    masked_last = make("gaussian+mask")(x0, step, z[::-1])
    assert not torch.equal(make("mask+gaussian")(x0, step, z), masked_last)
    assert (masked_last == 0).any()
