"""What hides an image or changes its tones: masks, holes, colours, snow and contrast, against their definitions."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from tests.helpers.diffusion import MakeSource, T, at
from trainables.diffusion.degradations import Contrast, Fade, Inpaint, LocalContrast, Mask, Snow
from trainables.diffusion.schedules import Cosine, Step, step_at
from trainables.diffusion.source import PIXELS


def grivots_squares(t: int, T: int, height: int) -> tuple[int, int]:
    """How many squares, and their side, by the report's definition in exact arithmetic and the code's centres."""
    i = Fraction(t, T)
    return int(1 + 5 * i), 2 * (int(3 + i * height / 4) // 2) + 1


@pytest.mark.parametrize("length", [5, 28, 49, pytest.param(1000, marks=pytest.mark.slow)])
def test_mask_zeroes_as_many_squares_of_the_side_that_the_literature_says(length: int) -> None:
    """With places apart from each other and from the border, so that the area counts them."""
    places = torch.tensor([[row, column] for row in (0.25, 0.75) for column in (0.17, 0.5, 0.83)])
    ts = torch.arange(1, length + 1)
    steps = step_at(Cosine(T=length).alpha_bar().float(), ts)
    x_t = Mask()(torch.ones(length, 1, 68, 68), steps, places.expand(length, 6, 2))
    assert set(x_t.unique().tolist()) == {0.0, 1.0}
    for t, image in zip(ts.tolist(), x_t, strict=True):
        count, side = grivots_squares(t, length, 68)
        assert (image == 0).sum().item() == count * side**2, f"t={t}"


@pytest.mark.parametrize("size", [(28, 28), (17, 23)])
def test_mask_zeroes_whole_squares_cut_at_the_border_and_nothing_else(
    size: tuple[int, int], make_source: MakeSource
) -> None:
    source = make_source(channels=3, size=size)
    x0 = source.images(64) + 3
    t = torch.arange(64) % T + 1
    z = Mask().draw(x0, source)
    x_t = Mask()(x0, at(t, 64), z)
    zeroed = (x_t == 0).all(1)
    assert torch.equal(x_t, x0 * ~zeroed[:, None])
    for k in range(64):
        count, side = grivots_squares(int(t[k]), T, size[0])
        expected = torch.zeros(size, dtype=torch.bool)
        for row, column in z[k, :count].tolist():
            top, left = int(row * size[0]) - side // 2, int(column * size[1]) - side // 2
            expected[max(top, 0) : top + side, max(left, 0) : left + side] = True
        assert torch.equal(expected, zeroed[k])


def test_mask_hides_what_grivots_does_at_the_end(make_source: MakeSource) -> None:
    """Six squares of 11 x 11, their centres anywhere: a share of 1 - (1 - p)^6 of pixels, p that of one square."""
    x0 = torch.ones(8000, 1, 28, 28)
    share = (Mask()(x0, at(T, 8000), Mask().draw(x0, make_source())) == 0).double().mean((0, 1))
    within = torch.tensor([min(k + 5, 27) - max(k - 5, 0) + 1 for k in range(28)]).double() / 28
    torch.testing.assert_close(share, 1 - (1 - within[:, None] * within) ** 6, rtol=0, atol=0.025)
    assert share.mean().item() == pytest.approx(0.545, abs=0.005)
    assert share[0, 0].item() == pytest.approx(0.246, abs=0.02)
    assert share[14, 14].item() == pytest.approx(0.634, abs=0.02)


def test_mask_reaches_every_pixel_and_prefers_no_side(make_source: MakeSource) -> None:
    x0 = torch.ones(4000, 1, 12, 12)
    share = (Mask()(x0, at(1, 4000), Mask().draw(x0, make_source())) == 0).double().mean((0, 1))
    assert (share > 0).all()
    for turned in (share.flip(0), share.flip(1), share.T):
        torch.testing.assert_close(share, turned, rtol=0, atol=0.05)


def inverted_gaussians(
    stds: list[float], size: tuple[int, int], row: float, column: float
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Bansal's masks after 0, 1, ... steps: each step multiplies by 1 - a Gaussian scaled to 1 at its centre."""
    rows, columns = np.ogrid[: size[0], : size[1]]
    distance = (rows - row) ** 2 + (columns - column) ** 2
    masks = [np.ones(size)]
    for std in stds:
        masks.append(masks[-1] * (1 - np.exp(-distance / (2 * std**2))))
    return np.stack(masks)


def test_inpaint_is_bansals_mask_at_every_step(make_source: MakeSource) -> None:
    """MNIST's, `kernel_std` 0.1 and `initial_mask` 11: the 50 steps have standard deviations of 1.1 to 6 pixels."""
    source, steps = make_source(channels=3), step_at(Cosine(T=50).alpha_bar().float(), torch.arange(51))
    x0 = source.images(1).expand(51, -1, -1, -1)
    for z in Inpaint().draw(source.images(4), source):
        row, column = (z.double() * 28).floor().tolist()
        expected = inverted_gaussians([0.1 * (k + 11) for k in range(50)], (28, 28), row, column)
        x_t = Inpaint(width=6 / 28)(x0, steps, z.expand(51, 2))
        np.testing.assert_allclose(x_t, x0.numpy() * expected[:, None], rtol=0, atol=2e-6)


@pytest.mark.parametrize("size", [(28, 28), (17, 23)])
def test_inpaints_holes_lie_everywhere_and_only_grow(size: tuple[int, int], make_source: MakeSource) -> None:
    x0, source = torch.ones(4000, 1, *size), make_source(size=size)
    z = Inpaint().draw(x0, source)
    early, later, last = (Inpaint()(x0, at(t, 4000), z) for t in (1, 9, T))
    assert (later <= early).all()
    assert (last <= later).all()
    assert (last < 0.01).flatten(1).any(1).all()
    centres = (early == 0).double().mean((0, 1))
    # One pixel a hole; each is a binomial count.
    assert (early == 0).sum() == 4000
    assert (centres * centres.numel() - 1).abs().max() < 5 * (centres.numel() / 4000) ** 0.5


def test_fade_is_bansals_reversed_mask_over_one_colour(make_source: MakeSource) -> None:
    """CelebA's `kernel_std` 0.05, `initial_mask` 1 and T = 750 at 128 pixels, here at 28."""
    source, length = make_source(channels=3), 750
    masks = inverted_gaussians([0.05 * (k + 1) * 28 / 128 for k in range(length)], (28, 28), 13.5, 13.5)[::-1, None]
    t = torch.arange(1, length + 1, 7)
    x0, c = source.images(1), Fade().draw(source.images(1), source)
    steps = step_at(Cosine(T=length).alpha_bar().float(), t)
    x_t = Fade(width=0.05 * 750 / 128)(x0.expand(len(t), -1, -1, -1), steps, c.expand(len(t), -1, -1, -1))
    expected = (1 - masks[t]) * x0.numpy() + masks[t] * c.numpy()
    # They differ on the four pixels in the middle, in the last steps: ours has 50 stages.
    difference = np.abs(x_t.numpy() - expected)
    assert difference.mean() < 0.003
    assert (difference.max((1, 2, 3)) > 0.1).mean() < 0.05


@pytest.mark.parametrize("pixels", PIXELS)
def test_fade_ends_at_one_colour_of_the_middle_half_of_the_range(pixels: str, make_source: MakeSource) -> None:
    source = make_source(pixels=pixels, channels=3)
    x0 = source.images(2000)
    c = Fade().draw(x0, source)
    x_t = Fade()(x0, at(T, 2000), c)
    assert torch.equal(x_t, c.expand_as(x0))
    share = (c - PIXELS[pixels].low) / (PIXELS[pixels].high - PIXELS[pixels].low)
    ranks = (share.flatten().double().sort().values - 0.25) / 0.5
    assert (ranks - torch.linspace(0, 1, 6000, dtype=torch.float64)).abs().max() < 2.7 / 6000**0.5


@pytest.mark.parametrize("cover", [0.3, 0.8])
@pytest.mark.parametrize("size", [(28, 28), (17, 31)])
def test_snow_covers_what_it_should_in_white_and_only_grows(
    cover: float, size: tuple[int, int], make_source: MakeSource
) -> None:
    source, n = make_source(pixels="-0.5..0.5", size=size), 1000
    x0 = source.images(n)
    z = Snow(cover).draw(x0, source)
    before = x0
    for level in (0.25, 0.5, 1.0):
        x_t = Snow(cover)(x0, Step(*(torch.full((n,), level),) * 3), z)
        assert (x_t >= before).all()
        assert x_t.max() <= 0.5
        touched = x_t > x0
        share = touched.double().sum() / (x0 < 0.5).sum()
        # A flake is about five pixels, so that a fifth of them are independent.
        assert abs(share.item() - cover * level) < 5 * (cover * level * 5 / x0.numel()) ** 0.5
        before = x_t
    assert (x_t[touched] == 0.5).double().mean() > 0.5


def test_snow_falls_within_45_degrees_of_the_vertical_each_image_its_own(make_source: MakeSource) -> None:
    """By the neighbours' correlation: along a streak it is highest."""
    source = make_source(size=(64, 64))
    flakes = Snow().draw(source.images(100), source)[:, 0].double() - 0.5
    neighbours = {
        "down": flakes[:, 1:, :] * flakes[:, :-1, :],
        "across": flakes[:, :, 1:] * flakes[:, :, :-1],
        "left": flakes[:, 1:, :-1] * flakes[:, :-1, 1:],
        "right": flakes[:, 1:, 1:] * flakes[:, :-1, :-1],
    }
    strength = {name: product.mean((1, 2)) for name, product in neighbours.items()}
    assert (strength["down"] > strength["across"]).double().mean() > 0.9
    assert 0.3 < (strength["left"] > strength["right"]).double().mean() < 0.7


@pytest.mark.parametrize("t", [1, T])
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


def test_local_contrast_is_contrast_by_a_smooth_map_of_factors(make_source: MakeSource) -> None:
    source, n, local = make_source(), 500, LocalContrast(cells=4)
    x0 = source.images(n)
    z = local.draw(x0, source)
    factor = 2 * z  # from 0 to 2 at t = T
    mean = x0.mean((1, 2, 3), keepdim=True)
    torch.testing.assert_close(local(x0, at(T, n), z), mean + factor * (x0 - mean), rtol=0, atol=1e-5)
    same = z[:, :, :1, :1].expand_as(z)
    torch.testing.assert_close(local(x0, at(9, n), same), Contrast()(x0, at(9, n), z[:, :, :1, :1]), rtol=0, atol=1e-6)
    corners = z[:, 0][:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert corners.min() < 0.01
    assert corners.max() > 0.99
    assert torch.corrcoef(corners.T).fill_diagonal_(0).abs().max() < 0.25
    # Between two of four points a side of 28 pixels has 9 steps, and the factor goes from one to the other.
    for step in (z.diff(dim=2), z.diff(dim=3)):
        assert step.abs().max() <= 1 / 9 + 1e-6
    assert (z.amax((1, 2, 3)) - z.amin((1, 2, 3))).median() > 0.7
