"""What averages pixels or moves them: blur, blocks, rows and columns, elastic deformation, by their definitions."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.nn import functional
from torchvision.transforms import v2

from tests.helpers.diffusion import MakeSource, T, at
from trainables.diffusion.degradations import Average, Blur, Elastic, Pixelate
from trainables.diffusion.schedules import Cosine, Step, step_at
from trainables.diffusion.source import PIXELS, Source


def timed(t: Tensor, length: int) -> Step:
    return step_at(Cosine(T=length).alpha_bar().float(), t)


@pytest.mark.parametrize(("sigma", "tolerance"), [(10.0, 2e-6), (4.0, 5e-3)])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 17, 23)])
def test_blur_is_scipys_of_the_steps_variance(
    shape: tuple[int, int, int], sigma: float, tolerance: float, make_source: MakeSource
) -> None:
    """Where t blurs of sigma 1 are not whole, a kernel sampled at whole pixels is not quite a Gaussian either."""
    source = make_source(channels=shape[0], size=shape[1:])
    x0, t = source.images(6), torch.tensor([7, 16, 30, 50, 99, 100])
    x_t = Blur(sigma)(x0, timed(t, 100), Blur().draw(x0, source))
    for image, blurred, k in zip(x0.double().numpy(), x_t, t.tolist(), strict=True):
        std = sigma * (k / 100) ** 0.5
        expected = [gaussian_filter(channel, std, mode="reflect", truncate=8) for channel in image]
        np.testing.assert_allclose(blurred, expected, rtol=0, atol=tolerance)


def test_blur_is_as_many_blurs_of_11_pixels_and_sigma_1_as_t_says(make_source: MakeSource) -> None:
    """Jain's, T = 100, on digits with room around them: torchvision mirrors without the outermost pixel."""
    x0 = functional.pad(make_source().images(4), (30, 30, 30, 30), value=-1.0)
    repeated = x0.double()
    for t in range(1, 41):
        repeated = v2.functional.gaussian_blur(repeated, [11, 11], [1.0, 1.0])
        if t in (1, 5, 20, 40):
            x_t = Blur()(x0, timed(torch.full((4,), t), 100), torch.empty(4, 0))
            torch.testing.assert_close(x_t.double(), repeated, rtol=0, atol=5e-6)


@pytest.mark.parametrize("pixels", PIXELS)
def test_blurs_prior_is_jains_constant_images_in_any_range(pixels: str, make_source: MakeSource) -> None:
    n = 4000
    x_T, _ = Blur().prior(torch.Size((n, 1, 12, 12)), at(T, n), make_source(pixels=pixels))
    # His range is -0.5 to 0.5.
    x_T = ((x_T - PIXELS[pixels].low) / (PIXELS[pixels].high - PIXELS[pixels].low) - 0.5).double()
    values, noise = x_T.mean((1, 2, 3)), (x_T - x_T.mean((1, 2, 3), keepdim=True))
    assert abs(values.mean().item() + 0.36) < 5 * 0.05 / n**0.5
    assert values.std().item() == pytest.approx(0.05, rel=5 / (2 * n) ** 0.5)
    assert (noise.square().sum() / (n * 143)).sqrt().item() == pytest.approx(0.002, rel=0.02)


@pytest.mark.parametrize(("time", "block"), [(0.25, 2), (0.5, 4), (0.75, 8), (1.0, 16)])
def test_pixelate_is_average_pooling_where_blocks_divide_the_image(
    time: float, block: int, make_source: MakeSource
) -> None:
    """32 and 64 pixels down to 2 and 4 cells a side: each quarter of the time doubles the blocks."""
    x0 = make_source(channels=3, size=(32, 32)).images(5)
    x_t = Pixelate(cells=2)(x0, Step(*(torch.full((5,), time),) * 3), torch.empty(5, 0))
    expected = np.kron(functional.avg_pool2d(x0, block).numpy(), np.ones((block, block)))
    np.testing.assert_allclose(x_t, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [(28, 28), (17, 23), (100, 30)])
def test_pixelate_averages_over_growing_blocks_that_differ_by_at_most_a_pixel(size: tuple[int, int]) -> None:
    generator, length = torch.Generator().manual_seed(0), 50
    x0, t = torch.rand(1, 1, *size, generator=generator).expand(length, -1, -1, -1), torch.arange(1, length + 1)
    x_t = Pixelate()(x0, timed(t, length), torch.empty(length, 0))
    for axis, pixels in enumerate(size):
        profile = x_t.movedim(2 + axis, 1).flatten(2).double()
        edges = (profile.diff(dim=1).abs().amax(2) > 1e-6).numpy()
        before = pixels
        for k, edge in zip(t.tolist(), edges, strict=True):
            blocks = np.diff(np.flatnonzero([True, *edge, True]))
            share = k / length
            expected = min(
                pixels - 1, math.floor(math.exp((1 - share) * math.log(pixels) + share * math.log(3)) + 1e-4)
            )
            assert len(blocks) == expected <= before
            assert blocks.max() - blocks.min() <= 1
            before = expected
    torch.testing.assert_close(
        x_t.mean((2, 3))[-1], functional.interpolate(x0[:1], (1, 1), mode="area")[0, :, 0, 0], rtol=0, atol=0.02
    )


ORDERS = ("random", "outside-in", "inside-out")


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("axis", ["rows", "columns"])
@pytest.mark.parametrize(("size", "length"), [((28, 28), 28), ((28, 28), 1000), ((17, 23), 50), ((9, 40), 5)])
def test_average_replaces_as_many_rows_by_their_means_as_the_literature_says(
    size: tuple[int, int], length: int, axis: str, order: str, make_source: MakeSource
) -> None:
    degradation, t = Average(axis, order), torch.arange(1, length + 1, max(1, length // 100))
    n, generator = len(t), torch.Generator().manual_seed(1)
    x0 = torch.rand(n, 3, *size, generator=generator)
    x_t = degradation(x0, timed(t, length), degradation.draw(x0, make_source(channels=3, size=size)))
    if axis == "columns":
        x0, x_t = x0.mT, x_t.mT
    kept = (x_t == x0).flatten(3).all(3).all(1)
    means = x0.double().mean(3, keepdim=True).float().expand_as(x0)
    torch.testing.assert_close(torch.where(kept[:, None, :, None], means, x_t), means, rtol=0, atol=1e-6)
    for k, image in zip(t.tolist(), kept, strict=True):
        assert (~image).sum() == math.ceil(Fraction(k * x0.shape[2], length)), f"t={k}"


@pytest.mark.parametrize("size", [28, 17])
def test_averages_orders_run_as_they_are_called(size: int, make_source: MakeSource) -> None:
    source, x0 = make_source(size=(size, size)), torch.rand(size, 1, size, size)
    steps = timed(torch.arange(1, size + 1), size)
    taken = {order: (Average(order=order)(x0, steps, z_of(order, x0, source)) != x0).any(3)[:, 0] for order in ORDERS}
    for count, row in enumerate(taken["outside-in"], 1):
        left = (~row).nonzero().flatten().tolist()
        assert left == list(range((count + 1) // 2, size - count // 2))
    assert torch.equal(taken["inside-out"][:-1], ~taken["outside-in"].flip(0)[1:])
    assert (taken["random"][1:] >= taken["random"][:-1]).all()
    first = Average().draw(torch.zeros(4000, 1, size, size), source).argsort()[:, 0].bincount(minlength=size)
    assert (first - 4000 / size).abs().max() < 5 * (4000 / size) ** 0.5


def test_a_shared_order_is_the_same_for_all_images_of_all_draws(make_source: MakeSource) -> None:
    x0, source = torch.zeros(5, 1, 28, 28), make_source()
    orders = torch.cat([Average(shared=True).draw(x0, source) for _ in range(2)]).argsort()
    assert (orders == orders[0]).all()
    turned = orders[0].diff()
    assert turned.unique().numel() > 10  # unlike the order of the image


def z_of(order: str, x0: Tensor, source: Source) -> Tensor:
    """One image's z for all."""
    return Average(order=order).draw(x0, source)[:1].expand(len(x0), -1)


@pytest.mark.parametrize("axis", ["rows", "columns"])
@pytest.mark.parametrize("pixels", PIXELS)
def test_averages_prior_is_breitburds_in_any_range(pixels: str, axis: str, make_source: MakeSource) -> None:
    n = 500
    x_T, _ = Average(axis=axis).prior(torch.Size((n, 1, 28, 28)), at(T, n), make_source(pixels=pixels))
    rows = x_T if axis == "rows" else x_T.mT
    assert torch.equal(rows, rows[..., :1].expand_as(rows))
    # His range is -0.5 to 0.5.
    value = ((rows[:, 0, :, 0] - PIXELS[pixels].low) / (PIXELS[pixels].high - PIXELS[pixels].low) - 0.5).double()
    border = torch.cat([value[:, :4], value[:, -4:]], 1)
    for found, low, high in ((border, -0.5, -0.4), (value[:, 4:-4], -0.4, -0.25)):
        ranks = (found.flatten().sort().values - low) / (high - low)
        assert (ranks - torch.linspace(0, 1, len(ranks), dtype=torch.float64)).abs().max() < 2.7 / len(ranks) ** 0.5


@pytest.mark.parametrize("sigma", [2.0, 3.3])
@pytest.mark.parametrize("size", [(28, 28), (33, 41)])
def test_elastics_displacements_are_torchvisions(size: tuple[int, int], sigma: float, make_source: MakeSource) -> None:
    """Of the same random numbers."""
    theirs = v2.ElasticTransform(alpha=90.0, sigma=sigma)
    for seed in range(3):
        source = make_source(seed=seed, size=size)
        z = Elastic(90.0, sigma).draw(torch.empty(1, 1, *size), source)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            expected = theirs.make_params([torch.empty(1, 1, *size)])["displacement"]
        torch.testing.assert_close(z, expected, rtol=0, atol=1e-6)


def test_elastic_is_torchvisions_image_for_image(make_source: MakeSource) -> None:
    """Each by its own field, scaled by its own level; with a black border, as outside the image theirs is black."""
    source = make_source(pixels="0..1")
    x0, step = functional.pad(source.images(T), (2, 2, 2, 2)), at(torch.arange(1, T + 1), T)
    z = Elastic().draw(x0, source)
    x_t = Elastic()(x0, step, z)
    for k in range(T):
        expected = v2.functional.elastic(x0[k], step.sigma[k] * z[k : k + 1])
        torch.testing.assert_close(x_t[k], expected, rtol=0, atol=1e-5)


def test_elastic_moves_by_as_many_pixels_as_it_says(make_source: MakeSource) -> None:
    """Away from the borders, where mirrored noise makes more of it."""
    z = Elastic().draw(torch.empty(100, 1, 80, 120), make_source())[:, 16:-16, 16:-16]
    pixels = z.double() * torch.tensor([60.0, 40.0])
    assert pixels.square().mean((0, 1, 2)).sqrt().tolist() == pytest.approx([0.0814 * 150 / 4] * 2, rel=0.05)
    assert abs(pixels.mean().item()) < 0.2
