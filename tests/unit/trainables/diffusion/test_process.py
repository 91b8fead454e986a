"""The diffusion: what a network is asked for, how its loss is measured, and how its answer becomes an image."""

import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.helpers.diffusion import MakeSource, degradation_of
from trainables.compatibility import fitting
from trainables.device import is_faster_in_bf16
from trainables.diffusion.degradations import DEGRADATIONS, LinearInterpolant
from trainables.diffusion.process import LOSSES, WEIGHTS, Diffusion, runs_bf16
from trainables.diffusion.schedules import SCHEDULES, Cosine, Linear, Step
from trainables.diffusion.source import PIXELS, Source
from trainables.diffusion.targets import TARGETS

T = 50
NOISY = ["gaussian", "qr+gaussian", "snow+gaussian", "mask+contrast+gaussian"]
STRAIGHT = [kind for kind, member in DEGRADATIONS.items() if issubclass(member, LinearInterpolant)]
# Every target, with a degradation that it is defined for.
PAIRS = [*(("gaussian", target) for target in ("x0", "eps", "scaled_eps", "v")), ("flow", "x0"), ("flow", "velocity")]


class Answer(nn.Module):
    """Answers by a function of (x_t, t / T), and remembers the last question."""

    def __init__(self, answer: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        self.x_t, self.time = x, time
        return self.answer(x, time)


def perfect(target: str, x0: Tensor, alpha_bar: Tensor, straight: bool = False) -> Answer:
    """The exact answer where every image of the data is x0, in float64: the others follow from x_t = k x0 + l z."""

    def answer(x_t: Tensor, time: Tensor) -> Tensor:
        share = alpha_bar.double()[(time * (len(alpha_bar) - 1)).round().long()].view(-1, 1, 1, 1)
        sigma = (1 - share).sqrt()
        z = (x_t.double() - (1 - sigma if straight else share.sqrt()) * x0.double()) / sigma
        answers = {
            "x0": x0.double().expand_as(z),
            "eps": z,
            "scaled_eps": sigma * z,
            "v": share.sqrt() * z - sigma * x0,
            "velocity": z - x0,
        }
        return answers[target].float()

    return Answer(answer)


def make(
    network: nn.Module, kind: str = "gaussian", target: str = "x0", pixels: str = "-1..1", loss_kind: str = "l2"
) -> Diffusion:
    alpha_bar = Cosine(T=T).alpha_bar().float()
    return Diffusion(alpha_bar, degradation_of(kind), network, target, PIXELS[pixels], loss_kind=loss_kind)


def ask(diffusion: Diffusion, x0: Tensor, source: Source) -> tuple[Tensor, Tensor]:
    """Return (prediction, target) that the loss compares."""
    asked: list[Tensor] = []

    def measure(prediction: Tensor, target: Tensor) -> Tensor:
        asked.extend((prediction, target))
        return (prediction - target).square().mean((1, 2, 3))

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(LOSSES, "spy", measure)
        replace(diffusion, loss_kind="spy").loss(x0, source)
    return asked[0], asked[1]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("kind", "target"), PAIRS)
def test_the_loss_of_a_perfect_network_is_zero(kind: str, target: str, loss: str, make_source: MakeSource) -> None:
    source = make_source()
    x0 = source.images(1)
    network = perfect(target, x0, Cosine(T=T).alpha_bar().float(), kind == "flow")
    diffusion = make(network, kind, target, loss_kind=loss)
    assert diffusion.loss(x0.expand(64, -1, -1, -1), source).item() < 1e-4
    worse = replace(diffusion, network=Answer(lambda x, time: torch.zeros_like(x)))
    assert worse.loss(x0.expand(64, -1, -1, -1), source).item() > 0.02


def test_every_target_has_its_degradation() -> None:
    assert {target for _, target in PAIRS} == set(TARGETS)
    for kind, target in PAIRS:
        assert target in fitting("training/target", degradation_of(kind))


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("l2", lambda d: d**2),
        ("l1", abs),
        ("huber", lambda d: np.where(abs(d) < 0.1, d**2 / 2, 0.1 * (abs(d) - 0.05))),
    ],
)
def test_a_loss_is_the_mean_of_its_formula_over_each_image(
    name: str, formula: Callable[[np.ndarray], np.ndarray]
) -> None:
    a, b = torch.randn(2, 7, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    np.testing.assert_allclose(LOSSES[name](a, b), formula((a - b).numpy()).mean((1, 2, 3)), rtol=1e-5)


@pytest.mark.parametrize(("kind", "target"), [*PAIRS, ("mask+contrast+gaussian", "eps"), ("mask", "x0")])
def test_the_loss_is_that_at_random_steps_drawn_before_the_degradation(
    kind: str, target: str, make_source: MakeSource
) -> None:
    """So a seed gives the steps and the noise that it always gave."""
    diffusion = make(Answer(lambda x, time: x / 2), kind, target)
    x0, source = make_source(seed=1).images(16), make_source(seed=2)
    loss = diffusion.loss(x0, source)
    again = make_source(seed=2)
    t = torch.randint(1, T + 1, (16,), generator=again.generator)
    losses = diffusion.loss_at(x0, t, again)
    assert losses.shape == (16,)
    assert torch.equal(losses.mean(), loss)
    assert torch.equal(source.generator.get_state(), again.generator.get_state())
    prediction, answer = ask(diffusion, x0, make_source(seed=2))
    torch.testing.assert_close(loss, functional.mse_loss(prediction, answer), rtol=1e-6, atol=0)


def hang(target: str, snr: np.ndarray) -> np.ndarray:
    """Min-SNR-5 as Hang et al. 2023 write it for their three targets (section 3.4), and of scaled noise."""
    least = np.minimum(snr, 5)
    scaled = least * (snr + 1) / snr  # of (x0_hat - x0)^2 = (answer - sigma eps)^2 / alpha_bar
    return {"x0": least, "eps": least / snr, "scaled_eps": scaled, "v": least / (snr + 1)}[target]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("target", ["x0", "eps", "scaled_eps", "v"])
def test_min_snr_weights_are_the_papers(target: str, schedule: str) -> None:
    alpha_bar = SCHEDULES[schedule](T=200).alpha_bar()
    diffusion = Diffusion(alpha_bar.float(), degradation_of("gaussian"), nn.Identity(), target, PIXELS["-1..1"])
    weights = WEIGHTS["min_snr"](diffusion, torch.arange(1, 201))
    np.testing.assert_allclose(weights, hang(target, (alpha_bar / (1 - alpha_bar))[1:].numpy()), rtol=2e-3)


@pytest.mark.parametrize(("kind", "target"), [*PAIRS, ("morph", "x0"), ("pseudo_qr", "velocity")])
def test_min_snr_weighs_the_error_of_x0_whatever_the_target(kind: str, target: str, make_source: MakeSource) -> None:
    """min(SNR, 5) (x0_hat - x0)^2, SNR the squared ratio of the shares of image and overlay in x_t."""
    source, t = make_source(), torch.arange(1, T)
    x0 = source.images(T - 1)
    diffusion = replace(make(Answer(lambda x, time: x / 3), kind, target), weight="min_snr", clip=False)
    state = source.generator.get_state()
    losses = diffusion.loss_at(x0, t, source)
    source.generator.set_state(state)
    z, step = diffusion.degradation.draw(x0, source), diffusion.step(t)
    error = (diffusion.restore(diffusion.degradation(x0, step, z), t) - x0).square().mean((1, 2, 3))
    ones, zeros = torch.ones_like(x0), torch.zeros_like(x0)
    image, overlay = (diffusion.degradation(a, step, b)[:, 0, 0, 0] for a, b in ((ones, zeros), (zeros, ones)))
    torch.testing.assert_close(losses, (image / overlay).square().clamp(max=5) * error, rtol=2e-3, atol=1e-6)


def test_inverse_beta_is_the_fruits_reports_weight(make_source: MakeSource) -> None:
    """Their schedule: linear from 0.001 to 0.02; their loss: MSE / (2 beta_t)."""
    alpha_bar = Linear(T=1000, beta_start=0.001, beta_end=0.02).alpha_bar().float()
    network = Answer(lambda x, time: torch.zeros_like(x))
    plain = Diffusion(alpha_bar, degradation_of("gaussian"), network, "scaled_eps", PIXELS["-1..1"])
    t, x0 = torch.tensor([1, 2, 500, 999, 1000]), make_source().images(5)
    losses, weighted = (
        diffusion.loss_at(x0, t, make_source(seed=5)) for diffusion in (plain, replace(plain, weight="inverse_beta"))
    )
    beta = 0.001 + (0.02 - 0.001) * (t - 1) / 999
    torch.testing.assert_close(weighted, losses / (2 * beta), rtol=1e-3, atol=0)


@pytest.mark.parametrize("zero_snr", [False, True])
@pytest.mark.parametrize("steps", [2, 7, pytest.param(5000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_weights_are_finite_at_every_step(schedule: str, steps: int, zero_snr: bool) -> None:
    alpha_bar, t = SCHEDULES[schedule](T=steps, zero_snr=zero_snr).alpha_bar().float(), torch.arange(1, steps + 1)
    for (kind, target), weight in itertools.product(PAIRS, WEIGHTS):
        degradation = degradation_of(kind)
        if weight in fitting("training/weight", degradation):
            weights = WEIGHTS[weight](Diffusion(alpha_bar, degradation, nn.Identity(), target, PIXELS["0..1"]), t)
            assert weights.shape == (steps,)
            assert weights.isfinite().all()
            assert (weights >= 0).all()
            assert weights.sum() > 0


@pytest.mark.parametrize("kind", NOISY)
def test_the_targets_of_one_draw_agree_with_x_t_and_each_other(kind: str, make_source: MakeSource) -> None:
    """x_t = alpha y + sigma eps and v = alpha eps - sigma y, y the image just before the noise."""
    x0 = make_source(seed=3).images(32)
    targets = fitting("training/target", degradation_of(kind))
    assert targets == ["x0", "eps", "scaled_eps", "v"]
    networks = {target: Answer(lambda x, time: torch.zeros_like(x)) for target in targets}
    asked = {target: ask(make(networks[target], kind, target), x0, make_source(seed=4))[1] for target in targets}
    x_t, time = networks["x0"].x_t, networks["x0"].time
    assert all(torch.equal(network.x_t, x_t) for network in networks.values())
    share = Cosine(T=T).alpha_bar()[(time * T).round().long()].view(-1, 1, 1, 1)
    alpha, sigma = share.sqrt(), (1 - share).sqrt()
    assert torch.equal(asked["x0"], x0)
    y = (alpha * x_t - sigma * asked["v"]).float()
    torch.testing.assert_close((alpha * y + sigma * asked["eps"]).float(), x_t, rtol=0, atol=1e-5)
    assert abs(asked["eps"].std().item() - 1) < 0.02
    torch.testing.assert_close(asked["scaled_eps"], (sigma * asked["eps"]).float())
    if kind == "gaussian":
        torch.testing.assert_close(y, x0, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", [*STRAIGHT, "mask+flow"])
def test_the_velocity_is_the_derivative_by_sigma(kind: str, make_source: MakeSource) -> None:
    """Of the last part: the difference quotient between any two levels, and it leads from x_t to the clean end."""
    network, x0 = Answer(lambda x, time: torch.zeros_like(x)), make_source(seed=3).images(32)
    diffusion = make(network, kind, "velocity")
    _, velocity = ask(diffusion, x0, make_source(seed=4))
    again = make_source(seed=4)
    t = torch.randint(1, T + 1, (32,), generator=again.generator)
    z = diffusion.degradation.draw(x0, again)
    at = diffusion.step(t)
    low, high = (diffusion.degradation(x0, at._replace(sigma=torch.full((32,), sigma)), z) for sigma in (0.2, 0.7))
    torch.testing.assert_close(velocity, (high - low) / 0.5, rtol=0, atol=1e-5)
    start = diffusion.degradation(x0, Step(alpha=torch.ones(32), sigma=torch.zeros(32), time=at.time), z)
    x_t = network.x_t
    torch.testing.assert_close(x_t - at.over(x_t).sigma * velocity, start, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["gaussian", "morph", "mask"])
def test_t_is_uniform_from_1_to_the_last_inclusive(kind: str, make_source: MakeSource) -> None:
    network, source = Answer(lambda x, time: x), make_source(size=(2, 2))
    n = 20_000
    ask(make(network, kind), source.images(n), source)
    counts = torch.bincount((network.time * T).round().long(), minlength=T + 1)
    assert counts[0] == 0
    assert len(counts) == T + 1
    # Five standard deviations of a count.
    assert (counts[1:] - n / T).abs().max() < 5 * (n / T) ** 0.5


@pytest.mark.parametrize("zero_snr", [False, True])
@pytest.mark.parametrize(
    ("kind", "pixels"), [*((kind, "-1..1") for kind in SCHEDULES), ("cosine", "-0.5..0.5"), ("cosine", "0..1")]
)
def test_a_perfect_network_restores_x0_whatever_it_is_asked_for(
    kind: str, pixels: str, zero_snr: bool, make_source: MakeSource
) -> None:
    alpha_bar, source = SCHEDULES[kind](T=T, zero_snr=zero_snr).alpha_bar().float(), make_source(pixels=pixels)
    x0 = source.images(1)
    t = torch.arange(1, T + 1)
    noisy = x0.expand(T, -1, -1, -1)
    for degradation, target in PAIRS:
        network = perfect(target, x0, alpha_bar, degradation == "flow")
        diffusion = Diffusion(alpha_bar, degradation_of(degradation), network, target, PIXELS[pixels])
        x_t = diffusion.degradation(noisy, diffusion.step(t), diffusion.degradation.draw(noisy, source))
        error = (diffusion.restore(x_t, t) - x0).abs().amax((1, 2, 3))
        # Dividing by the signal multiplies the rounding of x_t.
        rounding = 1e-6 / alpha_bar[1:].sqrt() if target.endswith("eps") else torch.tensor(1e-5)
        assert (error <= rounding).all(), target


def answer_with(value: float, x: Tensor, time: Tensor) -> Tensor:
    return torch.full_like(x, value)


@pytest.mark.parametrize(("kind", "target"), PAIRS)
@pytest.mark.parametrize("pixels", PIXELS)
def test_a_restored_image_keeps_to_the_pixels_range(
    pixels: str, kind: str, target: str, make_source: MakeSource
) -> None:
    x_t = 3 * make_source().normal(torch.Size((T, 1, 28, 28)))
    for wild in (100.0, -100.0, 1e30):
        diffusion = make(Answer(partial(answer_with, wild)), kind, target, pixels)
        x0 = diffusion.restore(x_t, torch.arange(1, T + 1))
        assert x0.isfinite().all()
        assert x0.min() >= PIXELS[pixels].low
        assert x0.max() <= PIXELS[pixels].high


@pytest.mark.parametrize(("degradation", "target"), PAIRS)
@pytest.mark.parametrize("kind", SCHEDULES)
def test_a_network_that_repeats_its_input_restores_finite_images(
    kind: str, degradation: str, target: str, make_source: MakeSource
) -> None:
    """Where no signal is left, x_t equals the noise: 0 / 0 if the signal were rounded to 0."""
    x_t = make_source().normal(torch.Size((5, 1, 28, 28)))
    alpha_bar, network = SCHEDULES[kind]().alpha_bar().float(), Answer(lambda x, time: x)
    diffusion = Diffusion(alpha_bar, degradation_of(degradation), network, target, PIXELS["-1..1"])
    assert diffusion.restore(x_t, torch.tensor([1, 2, 500, 999, 1000])).isfinite().all()


def test_the_network_is_asked_with_the_share_of_the_way(make_source: MakeSource) -> None:
    network = Answer(lambda x, time: x)
    make(network).restore(make_source().images(3), torch.tensor([1, 25, 50]))
    assert network.time.tolist() == pytest.approx([0.02, 0.5, 1.0])


def test_bf16_is_what_was_asked_for() -> None:
    cpu = torch.device("cpu")
    assert runs_bf16("bf16", cpu)
    assert not runs_bf16("float32", cpu)
    assert runs_bf16("auto", cpu) == is_faster_in_bf16(cpu)


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="the system does not say what its processor has")
def test_a_processor_is_faster_in_bf16_with_amx_or_amds_avx512() -> None:
    flags = set(re.findall(r"\w+", Path("/proc/cpuinfo").read_text()))
    expected = "amx_bf16" in flags or {"avx512_bf16", "AuthenticAMD"} <= flags
    assert is_faster_in_bf16(torch.device("cpu")) == expected


def test_bf16_reaches_the_network_and_not_the_result(make_source: MakeSource) -> None:
    linear = nn.Linear(28, 28)
    network = Answer(lambda x, time: linear(x))
    dtypes: list[torch.dtype] = []
    linear.register_forward_hook(lambda module, given, result: dtypes.append(result.dtype))
    for bf16 in (True, False):
        result = replace(make(network), bf16=bf16).restore(make_source().images(2), torch.tensor([5, 6]))
        assert result.dtype == torch.float32
    assert dtypes == [torch.bfloat16, torch.float32]
