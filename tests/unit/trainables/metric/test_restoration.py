"""Restoration: the measures are those of the literature, everyone is asked the same, and a perfect model is perfect."""

from collections.abc import Callable
from statistics import fmean

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from tests.helpers.diffusion import MakeSource
from trainables.config import Sampling
from trainables.diffusion.degradations import DEGRADATIONS, Degradation
from trainables.diffusion.process import Diffusion
from trainables.diffusion.samplers import SAMPLERS
from trainables.diffusion.schedules import Cosine, Linear
from trainables.diffusion.source import PIXELS
from trainables.metric.quality import psnr, quality, rmse, ssim
from trainables.metric.restoration import (
    losses_by_t,
    one_step_at,
    restore_by_sampling,
    spread,
    validation,
    validation_loss,
)

MEASURES = {"ssim": ssim, "psnr": psnr, "rmse": rmse}
T = 40


class Answers(nn.Module):
    """A network that answers as it is told, whatever the step; it counts its calls."""

    def __init__(self, answer: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.answer, self.calls = answer, 0

    def forward(self, x_t: Tensor, time: Tensor) -> Tensor:
        self.calls += 1
        return self.answer(x_t)


def diffusion(
    answer: Callable[[Tensor], Tensor], kind: str = "gaussian", target: str = "x0", pixels: str = "-1..1"
) -> Diffusion:
    degradation: Degradation = DEGRADATIONS[kind]()
    return Diffusion(Cosine(T=T).alpha_bar().float(), degradation, Answers(answer), target, PIXELS[pixels])


@pytest.fixture
def pair(digits: Tensor) -> tuple[Tensor, Tensor]:
    """Digits and noisy digits in [0, 1], (16, 1, 28, 28)."""
    clean = digits[:16] / 255
    return (clean + 0.2 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1), clean


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 40, 30)], ids=str)
def test_measures_equal_those_of_torchmetrics(shape: tuple[int, ...], pair: tuple[Tensor, Tensor]) -> None:
    a, b = (nn.functional.interpolate(x, shape[1:]).expand(-1, shape[0], -1, -1) for x in pair)
    a = a * torch.linspace(0.5, 1, shape[0])[:, None, None]
    every = {"data_range": 1.0, "reduction": "none"}
    torch.testing.assert_close(ssim(a, b), structural_similarity_index_measure(a, b, **every), rtol=0, atol=1e-5)
    torch.testing.assert_close(psnr(a, b), peak_signal_noise_ratio(a, b, dim=(1, 2, 3), **every), rtol=1e-5, atol=0)
    torch.testing.assert_close(rmse(a, b), 10 ** (-psnr(a, b) / 20))


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
@pytest.mark.parametrize("range_", ["-0.5..0.5", "-1..1"])
def test_images_that_are_not_in_0_to_1_are_refused(
    measure: Callable[[Tensor, Tensor], Tensor], range_: str, digits: Tensor
) -> None:
    x = PIXELS[range_].to_model(digits[:4])
    with pytest.raises(ValueError, match=rf"images from {PIXELS[range_].low:g} to .*\[0, 1\]"):
        measure(x, x)
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        measure(digits[:4].float(), digits[:4].float())


def test_quality_is_the_mean_over_images_and_its_standard_error(pair: tuple[Tensor, Tensor]) -> None:
    found = quality(*pair)
    for name, measure in MEASURES.items():
        values = measure(*pair).double().numpy()
        assert getattr(found, name) == pytest.approx(values.mean())
        assert getattr(found, f"{name}_se") == pytest.approx(values.std(ddof=1) / np.sqrt(len(values)))


def test_the_steps_are_those_of_the_literature_and_always_from_1_to_t() -> None:
    assert spread(1000, 20) == list(range(50, 1001, 50))
    for steps in (1, 3, 7, 200):
        ts = spread(steps, 10)
        assert len(ts) == 10
        assert (min(ts) >= 1, max(ts)) == (True, steps)
        assert ts == sorted(ts)


@pytest.mark.parametrize("kind", DEGRADATIONS)
def test_a_perfect_model_restores_perfectly_whatever_degraded_the_images(
    kind: str, digits: Tensor, make_source: MakeSource
) -> None:
    x0, source = digits[:8], make_source()
    perfect = diffusion(lambda x_t: source.pixels.to_model(x0), kind)
    for found in (one.quality for one in one_step_at(perfect, x0, [1, T // 2, T], source, 0).values()):
        assert found.ssim == pytest.approx(1, abs=1e-5)
        assert (found.rmse, found.rmse_se, found.psnr_se) == (0, 0, 0)
        assert found.psnr == pytest.approx(10 * np.log10(12 * 255**2))  # what rounding to 256 levels leaves


@pytest.mark.parametrize("kind", SAMPLERS)
def test_every_sampler_ends_where_a_perfect_model_tells_it_to(
    kind: str, digits: Tensor, make_source: MakeSource
) -> None:
    x0, source = digits[:8], make_source()
    perfect = diffusion(lambda x_t: source.pixels.to_model(x0))
    found = restore_by_sampling(perfect, Sampling(kind=kind, steps=8), x0, [1, T // 2, T], source, 0)
    assert all(value.rmse < 1 / 255 and value.ssim > 0.999 for value in found.values())


@pytest.mark.parametrize(
    ("t", "calls", "spacing"),
    [(1, 1, 1.0), (T // 4, 2, 1.0), (T // 2, 4, 1.0), (T, 8, 1.0), (T // 4, 4, 2.0), (T, 8, 2.0)],
)
def test_restoring_takes_the_strides_of_sampling(
    t: int, calls: int, spacing: float, digits: Tensor, make_source: MakeSource
) -> None:
    model = diffusion(torch.zeros_like)
    restore_by_sampling(model, Sampling(steps=8, spacing=spacing), digits[:2], [t], make_source(), 0)
    assert model.network.calls == calls


@pytest.mark.parametrize("pixels", PIXELS)
def test_an_error_of_a_fifth_is_a_fifth_in_any_range_of_pixels(pixels: str, make_source: MakeSource) -> None:
    range_, black = PIXELS[pixels], torch.zeros(4, 1, 28, 28, dtype=torch.uint8)
    grey = range_.low + 0.2 * (range_.high - range_.low)
    model = diffusion(lambda x_t: torch.full_like(x_t, grey), pixels=pixels)
    found = one_step_at(model, black, [T], make_source(pixels=pixels), 0)[T].quality
    assert found.rmse == pytest.approx(0.2)
    assert found.psnr == pytest.approx(10 * np.log10(25))


def test_a_model_that_does_nothing_is_measured_by_the_degraded_image_and_worse_with_t(
    digits: Tensor, make_source: MakeSource
) -> None:
    x0, source, seed = digits[:32], make_source(seed=99), 5
    ts = spread(T, 8)
    steps = one_step_at(diffusion(lambda x_t: x_t), x0, ts, source, seed)
    found = {t: one.quality for t, one in steps.items()}
    eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(seed))
    for t in ts:
        alpha_bar = Cosine(T=T).alpha_bar()[t].float()
        x_t = alpha_bar.sqrt() * (x0 / 127.5 - 1) + (1 - alpha_bar).sqrt() * eps
        error = (x_t.clamp(-1, 1) / 2 + 0.5 - x0 / 255).square().mean((1, 2, 3)).sqrt().mean().item()
        assert found[t].rmse == pytest.approx(error, abs=1 / 255)
    assert [found[t].ssim for t in ts] == sorted((found[t].ssim for t in ts), reverse=True)


def test_the_seed_alone_decides_what_is_asked(digits: Tensor, make_source: MakeSource) -> None:
    model, x0 = diffusion(lambda x_t: x_t), digits[:8]
    first = one_step_at(model, x0, [3, T], make_source(seed=1), 7)
    assert one_step_at(model, x0, [T, 3], make_source(seed=2), 7) == first
    assert one_step_at(model, x0, [3, T], make_source(seed=1), 8) != first


def test_the_loss_at_t_is_the_models_own(digits: Tensor, make_source: MakeSource) -> None:
    x0, ts = digits[:32], [1, T // 2, T]
    clean = diffusion(torch.zeros_like)
    for loss in losses_by_t(clean, x0, ts, make_source(), 0).values():
        assert loss == pytest.approx((x0 / 127.5 - 1).square().mean().item(), rel=1e-5)
    noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(3))
    for loss in losses_by_t(diffusion(torch.zeros_like, target="eps"), x0, ts, make_source(), 3).values():
        assert loss == pytest.approx(noise.square().mean().item(), rel=1e-5)


def test_validation_sums_up_ten_steps(digits: Tensor, make_source: MakeSource) -> None:
    model, x0, ts = diffusion(lambda x_t: 0.5 * x_t), digits[:16], spread(T, 10)
    found = validation(model, x0, make_source(), 0)
    assert model.network.calls == 10  # loss and restoration are of one call
    losses, steps = losses_by_t(model, x0, ts, make_source(), 0), one_step_at(model, x0, ts, make_source(), 0)
    restored = {t: one.quality for t, one in steps.items()}
    assert {t: one.loss for t, one in steps.items()} == losses
    assert validation_loss(model, x0, make_source(), 0) == found.loss
    assert found.loss_by_t == tuple(losses[t] for t in ts)
    assert found.ssim_by_t == tuple(restored[t].ssim for t in ts)
    assert found.loss == pytest.approx(fmean(found.loss_by_t))
    assert found.ssim == pytest.approx(fmean(found.ssim_by_t))
    assert found.psnr == pytest.approx(fmean(restored[t].psnr for t in ts))
    assert found.rmse == pytest.approx(fmean(restored[t].rmse for t in ts))


def test_a_schedule_of_fewer_steps_has_ten_values_too(digits: Tensor, make_source: MakeSource) -> None:
    few = Diffusion(
        Linear(T=4).alpha_bar().float(), DEGRADATIONS["gaussian"](), Answers(lambda x_t: x_t), "x0", PIXELS["-1..1"]
    )
    found = validation(few, digits[:4], make_source(), 0)
    assert (len(found.loss_by_t), len(found.ssim_by_t)) == (10, 10)


def test_weights_that_are_no_numbers_have_no_quality(digits: Tensor, make_source: MakeSource) -> None:
    found = validation(diffusion(lambda x_t: x_t * torch.nan), digits[:4], make_source(), 0)
    assert np.isnan([found.loss, found.ssim, found.psnr, found.rmse, *found.loss_by_t, *found.ssim_by_t]).all()
