"""Generation: fixed noise, finite samples, uint8 without loss, and pictures that open."""

import io
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from tests.helpers.diffusion import MakeSource
from trainables.config import Flat, Sampling, Variant
from trainables.diffusion.degradations import DEGRADATIONS, fitted_prior
from trainables.diffusion.generation import CHUNKS, generate, grid_png, sampling_source, start, strip
from trainables.diffusion.process import Diffusion, Diverged
from trainables.diffusion.samplers import SAMPLERS
from trainables.diffusion.schedules import Cosine
from trainables.diffusion.source import PIXELS, Source
from trainables.metric.restoration import restore_by_sampling

CHUNK = CHUNKS["cpu"]
SHAPE = (1, 28, 28)
COLD = Sampling("cold2", steps=3)


class Scale(nn.Module):
    """A network that answers with a multiple of its input, and remembers every input."""

    def __init__(self, factor: float = 0.5) -> None:
        super().__init__()
        self.factor = factor
        self.asked: list[Tensor] = []

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        self.asked.append(x)
        return self.factor * x


def make(kind: str = "gaussian", network: nn.Module | None = None, pixels: str = "-1..1") -> Diffusion:
    flat: Flat = {"degradation/kind": kind, "training/target": "x0", "sampler/kind": "cold2"}
    degradation = Variant.from_flat(flat).degradation
    return Diffusion(Cosine(T=10).alpha_bar().float(), degradation, network or Scale(), "x0", PIXELS[pixels])


def restored(diffusion: Diffusion, sampling: Sampling, x0: Tensor, source: Source, seed: int) -> None:
    restore_by_sampling(diffusion, sampling, source.pixels.to_uint8(x0), [10], source, seed)


def generated(diffusion: Diffusion, sampling: Sampling, x0: Tensor, source: Source, seed: int) -> None:
    generate(diffusion, sampling, len(x0), SHAPE, source, seed)


@pytest.mark.parametrize("take", [generated, strip, restored])
@pytest.mark.parametrize("sampler", ["cold1", "cold2", "ddim", "ancestral"])
def test_a_sampler_clips_x0_hat_as_the_variant_says(
    sampler: str, take: Callable[..., object], make_source: MakeSource
) -> None:
    largest = {}
    for clip in (True, False):
        network, source = Scale(3.0), make_source()
        take(make(network=network), Sampling(sampler, 3, clip=clip), source.images(2), source, 1)
        largest[clip] = network.asked[-1].abs().amax()
    assert largest[True] < 5 < largest[False]


@pytest.mark.parametrize(
    ("sampler", "prior", "kind"),
    [
        *((sampler, "own", "gaussian") for sampler in SAMPLERS),
        *(("cold2", "own", kind) for kind in (*DEGRADATIONS, "mask+contrast+gaussian")),
        ("ddim", "fitted", "gaussian"),
        ("cold2_estimated", "fitted", "mask+contrast+gaussian"),
    ],
)
def test_a_seed_fixes_the_images(sampler: str, prior: str, kind: str, make_source: MakeSource) -> None:
    diffusion, sampling, source = make(kind), Sampling(sampler, 3, prior), make_source()
    first, again, other = (generate(diffusion, sampling, 5, SHAPE, source, seed) for seed in (1, 1, 2))
    assert first.shape == (5, *SHAPE)
    assert first.dtype == torch.uint8
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])


@pytest.mark.parametrize("n", [1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 3])
def test_as_many_images_as_asked_for(n: int, make_source: MakeSource) -> None:
    assert generate(make(), Sampling("ddim", 1), n, SHAPE, make_source(), 0).shape == (n, *SHAPE)


def test_the_first_images_do_not_depend_on_how_many_follow(make_source: MakeSource) -> None:
    sampling = Sampling("ancestral", 3)
    more = generate(make(), sampling, 2 * CHUNK, SHAPE, make_source(), 5)
    assert torch.equal(generate(make(), sampling, CHUNK, SHAPE, make_source(), 5), more[:CHUNK])
    assert len(more.unique(dim=0)) == 2 * CHUNK


@pytest.mark.parametrize("kind", [*DEGRADATIONS, "mask+gaussian"])
def test_two_models_start_from_the_same_noise(kind: str, make_source: MakeSource) -> None:
    first, second = Scale(0.5), Scale(-0.1)
    generate(make(kind, first), COLD, 4, SHAPE, make_source(seed=1), 5)
    generate(make(kind, second), COLD, 4, SHAPE, make_source(seed=2), 5)
    assert torch.equal(first.asked[0], second.asked[0])
    assert not torch.equal(first.asked[1], second.asked[1])


@pytest.mark.parametrize("kind", ["gaussian", "mask", "fade", "morph+noise", "mask+gaussian"])
def test_sampling_starts_from_the_prior_that_was_chosen(kind: str, make_source: MakeSource) -> None:
    diffusion, shape = make(kind), torch.Size((4, *SHAPE))
    step = diffusion.step(torch.full((4,), diffusion.T))
    for prior, draw in (("own", diffusion.degradation.prior), ("fitted", partial(fitted_prior, diffusion.degradation))):
        x_T, _ = start(diffusion, Sampling("cold2", 3, prior), shape, make_source())
        assert torch.equal(x_T, draw(shape, step, make_source())[0])


@pytest.mark.parametrize("kind", ["average", "mask", "mask+gaussian"])
def test_sampling_from_degraded_images_starts_from_held_out_ones(kind: str, make_source: MakeSource) -> None:
    training = make_source()
    held_out = 255 - training.training_images[:9]
    first, again = (sampling_source(training, training.overlay_images, held_out) for _ in range(2))
    diffusion = make(kind)
    x_T, z = start(diffusion, Sampling("cold2", 3, "degraded"), torch.Size((40, *SHAPE)), first)
    x0 = again.held_out(40)
    assert torch.equal(x_T, diffusion.degradation(x0, diffusion.step(torch.full((40,), diffusion.T)), z))
    drawn = {image.numpy().tobytes() for image in again.pixels.to_uint8(x0)}
    assert drawn == {image.numpy().tobytes() for image in held_out}


class Poisoned(nn.Module):
    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        return torch.where(torch.arange(len(x)).view(-1, 1, 1, 1) == 3, torch.nan, x)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_samples_that_are_not_finite_are_divergence_and_not_black_images(sampler: str, make_source: MakeSource) -> None:
    with pytest.raises(Diverged, match="samples"):
        generate(make(network=Poisoned()), Sampling(sampler, 3), 5, SHAPE, make_source(), 0)


@pytest.mark.parametrize("pixels", PIXELS)
def test_uint8_survives_the_way_into_the_model_and_back(pixels: str) -> None:
    images = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    x = PIXELS[pixels].to_model(images)
    assert x.dtype == torch.float32
    assert (x.min().item(), x.max().item()) == pytest.approx(tuple(float(end) for end in pixels.split("..")))
    assert torch.equal(PIXELS[pixels].to_uint8(x), images)
    assert images.flatten().tolist() == list(range(256))


@pytest.mark.parametrize("pixels", PIXELS)
def test_what_lies_outside_the_range_becomes_black_or_white(pixels: str) -> None:
    low, high = PIXELS[pixels].low, PIXELS[pixels].high
    x = torch.tensor([low - 5, low - 1e-4, low + 0.499 / 255 * (high - low), high + 1e-4, high + 500])
    assert PIXELS[pixels].to_uint8(x).tolist() == [0, 0, 0, 255, 255]


@pytest.mark.parametrize("kind", [*DEGRADATIONS, "mask+contrast+gaussian"])
def test_a_strip_shows_the_way_there_and_back(kind: str, make_source: MakeSource) -> None:
    source, diffusion = make_source(), make(kind)
    x0 = source.images(3)
    rows = strip(diffusion, COLD, x0, source, 5)
    assert rows.shape == (6, 9, *SHAPE)
    assert rows.dtype == torch.uint8
    assert torch.equal(rows[:3, 0], source.pixels.to_uint8(x0))
    source.generator.manual_seed(5)
    z = diffusion.degradation.draw(x0, source)
    fully = diffusion.degradation(x0, diffusion.step(torch.full((3,), 10)), z)
    assert torch.equal(rows[:3, -1], source.pixels.to_uint8(fully))
    assert torch.equal(rows, strip(diffusion, COLD, x0, source, 5))


def test_a_source_for_sampling_shows_other_overlays_and_moves_alone(make_source: MakeSource, overlays: Tensor) -> None:
    training = make_source()
    before = training.generator.get_state()
    source = sampling_source(training, 255 - overlays[:7])
    own = {image.numpy().tobytes() for image in source.pixels.to_uint8(source.overlays(torch.Size((50, *SHAPE))))}
    assert own == {image.numpy().tobytes() for image in 255 - overlays[:7]}
    assert torch.equal(training.generator.get_state(), before)
    assert replace(source, overlay_images=training.overlay_images, generator=training.generator) == training


@pytest.mark.parametrize("channels", [1, 3])
def test_a_grid_is_a_png_of_its_images(channels: int) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (2, 5, channels, 7, 9), generator=generator, dtype=torch.uint8)
    picture = Image.open(io.BytesIO(grid_png(images)))
    assert picture.format == "PNG"
    assert picture.mode == ("L" if channels == 1 else "RGB")
    assert picture.size == (2 * (5 * (9 + 1) + 1), 2 * (2 * (7 + 1) + 1))
    pixels = np.asarray(picture).reshape(picture.height, picture.width, channels)[::2, ::2]
    for row in range(2):
        for column in range(5):
            tile = pixels[1 + row * 8 :, 1 + column * 10 :][:7, :9]
            np.testing.assert_array_equal(tile, images[row, column].permute(1, 2, 0))
