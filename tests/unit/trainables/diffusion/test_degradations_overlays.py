"""Noise and overlays, each against its definition in the literature."""

import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler

from tests.helpers.diffusion import MakeSource, T, at
from trainables.diffusion.degradations import QR, Flow, Gaussian, Morph, PseudoQR
from trainables.diffusion.schedules import Linear, Step, step_at
from trainables.diffusion.source import PIXELS


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
    end = Step(alpha=torch.zeros(32), sigma=torch.ones(32), time=torch.ones(32))
    assert torch.equal(Morph()(x0, end, z), z)
    known = {image.numpy().tobytes() for image in source.overlay_images}
    assert {image.numpy().tobytes() for image in PIXELS["0..1"].to_uint8(z)} <= known
    step = at(T // 2, 32)
    level = step.sigma[0].double().item()
    expected = (1 - level**2) ** 0.5 * x0.double() + level * z.double()
    torch.testing.assert_close(Morph()(x0, step, z).double(), expected, rtol=0, atol=1e-6)


def test_flow_is_the_straight_path_of_diffusers(make_source: MakeSource) -> None:
    source = make_source()
    x0 = source.images(16)
    z = Flow().draw(x0, source)
    assert abs(z.mean().item()) < 5 / z.numel() ** 0.5
    assert abs(z.var().item() - 1) < 5 * (2 / z.numel()) ** 0.5
    theirs = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000)
    level = theirs.sigmas[torch.linspace(0, 999, 16).long()]
    x_t = Flow()(x0, Step(1 - level, level, level), z)
    torch.testing.assert_close(x_t, theirs.scale_noise(x0, 1000 * level, z), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("block", "pixels"), [(1, "-1..1"), (2, "0..1"), (4, "-0.5..0.5"), (7, "-1..1")])
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
    s = step.sigma[0].item()
    torch.testing.assert_close(PseudoQR()(x0, step, z), x0 * (1 - s) + z * s, rtol=0, atol=1e-6)


FINDER = torch.tensor([[max(abs(row), abs(column)) != 2 for column in range(-3, 4)] for row in range(-3, 4)])


@pytest.mark.parametrize(
    ("version", "pixels"),
    [*((1, pixels) for pixels in PIXELS), *(pytest.param(v, "-1..1", marks=pytest.mark.slow) for v in (2, 3, 4))],
)
def test_qr_is_a_real_code(version: int, pixels: str, make_source: MakeSource) -> None:
    """Of its version, by the standard's marks (ISO/IEC 18004): finders, timing, and what the format says in BCH."""
    side, n = 17 + 4 * version, 64
    source = make_source(pixels=pixels, channels=3, size=(side, side))
    z = QR(version).draw(source.images(n), source)
    assert set(z.unique().tolist()) == {PIXELS[pixels].low, PIXELS[pixels].high}
    assert torch.equal(z[:, :1].expand_as(z), z)
    dark = z[:, 0] == PIXELS[pixels].low
    for corner in (dark[:, :7, :7], dark[:, :7, -7:], dark[:, -7:, :7]):
        assert torch.equal(corner, FINDER.expand_as(corner))
    alternating = torch.arange(8, side - 8) % 2 == 0
    assert torch.equal(dark[:, 6, 8:-8], alternating.expand(n, -1))
    assert torch.equal(dark[:, 8:-8, 6], alternating.expand(n, -1))
    around = [(8, k) for k in (0, 1, 2, 3, 4, 5, 7, 8)] + [(k, 8) for k in (7, 5, 4, 3, 2, 1, 0)]
    masks = {format_of([bool(code[place]) for place in around]) for code in dark}
    assert masks == set(range(8))
    assert len({code.numpy().tobytes() for code in dark}) > n - 10  # drawn from many


def format_of(bits: list[bool]) -> int:
    """The mask's number; fails unless the bits are a code word of level L."""
    word = sum(int(bit) << (14 - k) for k, bit in enumerate(bits)) ^ 0b101010000010010
    rest = word
    for shift in range(4, -1, -1):
        if rest >> (shift + 10) & 1:
            rest ^= 0b10100110111 << shift
    assert rest == 0
    assert word >> 13 == 0b01
    return word >> 10 & 0b111


@pytest.mark.parametrize("size", [(28, 28), (17, 100)])
def test_a_qr_code_is_resized_without_greys_and_is_the_same_in_every_process_and_size(
    size: tuple[int, int], make_source: MakeSource
) -> None:
    modules, pixels = (
        QR().draw(source.images(8), source)[:, :1] for source in (make_source(size=(21, 21)), make_source(size=size))
    )
    for axis, length in ((2, size[0]), (3, size[1])):
        nearest = ((torch.arange(length) + 0.5) * 21 / length).long()
        modules = modules.index_select(axis, nearest)
    assert torch.equal(pixels, modules)
