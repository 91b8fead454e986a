"""The diffusion: what a network is asked for, how its loss is measured, and how its answer becomes an image."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from trainables.config import Flat, Variant
from trainables.degradations import DEGRADATIONS, Gaussian
from trainables.diffusion import LOSSES, TARGETS, Diffusion, ends_in_noise, runs_bf16
from trainables.schedules import SCHEDULES, Cosine
from trainables.source import PIXELS, Source

MakeSource = Callable[..., Source]

T = 50
NOISY = ["gaussian", *(f"{kind}+gaussian" for kind in DEGRADATIONS if kind != "gaussian"), "mask+contrast+gaussian"]


class Answer(nn.Module):
    """Answers by a function of (x_t, t / T), and remembers the last question."""

    def __init__(self, answer: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        self.x_t, self.time = x, time
        return self.answer(x, time)


def perfect(target: str, x0: Tensor, alpha_bar: Tensor) -> Answer:
    """The exact answer where every image of the data is x0, in float64: eps and v follow from x_t = s x0 + l eps."""

    def answer(x_t: Tensor, time: Tensor) -> Tensor:
        share = alpha_bar.double()[(time * (len(alpha_bar) - 1)).round().long()].view(-1, 1, 1, 1)
        eps = (x_t.double() - share.sqrt() * x0.double()) / (1 - share).sqrt()
        answers = {"x0": x0.double().expand_as(eps), "eps": eps, "v": share.sqrt() * eps - (1 - share).sqrt() * x0}
        return answers[target].float()

    return Answer(answer)


def make(network: nn.Module, kind: str = "gaussian", target: str = "x0", pixels: str = "-1..1") -> Diffusion:
    flat: Flat = {"degradation/kind": kind, "training/target": "x0", "sampler/kind": "cold2"}
    degradation = Variant.from_flat(flat).degradation
    return Diffusion(Cosine(T=T).alpha_bar().float(), degradation, network, target, PIXELS[pixels])


def ask(diffusion: Diffusion, x0: Tensor, source: Source) -> tuple[Tensor, Tensor]:
    """Return (prediction, target) that the loss compares."""
    asked: list[Tensor] = []

    def measure(prediction: Tensor, target: Tensor) -> Tensor:
        asked.extend((prediction, target))
        return (prediction - target).square().mean()

    diffusion.loss(x0, source, measure)
    return asked[0], asked[1]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("target", TARGETS)
def test_the_loss_of_a_perfect_network_is_zero(target: str, loss: str, make_source: MakeSource) -> None:
    source = make_source()
    x0 = source.images(1)
    diffusion = make(perfect(target, x0, Cosine(T=T).alpha_bar().float()), target=target)
    assert diffusion.loss(x0.expand(64, -1, -1, -1), source, LOSSES[loss]).item() < 1e-4
    worse = replace(diffusion, network=Answer(lambda x, time: torch.zeros_like(x)))
    assert worse.loss(x0.expand(64, -1, -1, -1), source, LOSSES[loss]).item() > 0.05


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("l2", lambda d: d**2),
        ("l1", abs),
        ("huber", lambda d: np.where(abs(d) < 1, d**2 / 2, abs(d) - 0.5)),
    ],
)
def test_a_loss_is_the_mean_of_its_formula(name: str, formula: Callable[[np.ndarray], np.ndarray]) -> None:
    a, b = torch.randn(2, 7, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    assert LOSSES[name](a, b).item() == pytest.approx(formula((a - b).numpy()).mean(), rel=1e-5)


@pytest.mark.parametrize("kind", NOISY)
def test_the_targets_of_one_draw_agree_with_x_t_and_each_other(kind: str, make_source: MakeSource) -> None:
    """x_t = signal y + level eps and v = signal eps - level y, y the image just before the noise."""
    x0 = make_source(seed=3).images(32)
    networks = {target: Answer(lambda x, time: torch.zeros_like(x)) for target in TARGETS}
    asked = {target: ask(make(networks[target], kind, target), x0, make_source(seed=4))[1] for target in TARGETS}
    x_t, time = networks["x0"].x_t, networks["x0"].time
    assert all(torch.equal(network.x_t, x_t) for network in networks.values())
    share = Cosine(T=T).alpha_bar()[(time * T).round().long()].view(-1, 1, 1, 1)
    signal, level = share.sqrt(), (1 - share).sqrt()
    assert torch.equal(asked["x0"], x0)
    y = (signal * x_t - level * asked["v"]).float()
    torch.testing.assert_close((signal * y + level * asked["eps"]).float(), x_t, rtol=0, atol=1e-5)
    assert abs(asked["eps"].std().item() - 1) < 0.02
    if kind == "gaussian":
        torch.testing.assert_close(y, x0, rtol=0, atol=1e-5)


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


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("pixels", PIXELS)
def test_a_perfect_network_restores_x0_whatever_it_is_asked_for(
    kind: str, pixels: str, make_source: MakeSource
) -> None:
    alpha_bar, source = SCHEDULES[kind](T=T).alpha_bar().float(), make_source(pixels=pixels)
    x0 = source.images(1)
    t = torch.arange(1, T + 1)
    noisy = x0.expand(T, -1, -1, -1)
    for target in TARGETS:
        diffusion = Diffusion(alpha_bar, Gaussian(), perfect(target, x0, alpha_bar), target, PIXELS[pixels])
        x_t = diffusion.degradation(noisy, diffusion.step(t), Gaussian().draw(noisy, source))
        error = (diffusion.restore(x_t, t) - x0).abs().amax((1, 2, 3))
        # Dividing by the signal multiplies the rounding of x_t.
        rounding = 1e-6 / alpha_bar[1:].sqrt() if target == "eps" else torch.tensor(1e-5)
        assert (error <= rounding).all(), target


def answer_with(value: float, x: Tensor, time: Tensor) -> Tensor:
    return torch.full_like(x, value)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("pixels", PIXELS)
def test_a_restored_image_keeps_to_the_pixels_range(pixels: str, target: str, make_source: MakeSource) -> None:
    x_t = 3 * make_source().normal(torch.Size((T, 1, 28, 28)))
    for wild in (100.0, -100.0, 1e30):
        diffusion = make(Answer(partial(answer_with, wild)), "gaussian", target, pixels)
        x0 = diffusion.restore(x_t, torch.arange(1, T + 1))
        assert x0.isfinite().all()
        assert x0.min() >= PIXELS[pixels].low
        assert x0.max() <= PIXELS[pixels].high


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", SCHEDULES)
def test_a_network_that_repeats_its_input_restores_finite_images(
    kind: str, target: str, make_source: MakeSource
) -> None:
    """Where no signal is left, x_t equals the noise: 0 / 0 if the signal were rounded to 0."""
    x_t = make_source().normal(torch.Size((5, 1, 28, 28)))
    diffusion = Diffusion(
        SCHEDULES[kind]().alpha_bar().float(), Gaussian(), Answer(lambda x, time: x), target, PIXELS["-1..1"]
    )
    assert diffusion.restore(x_t, torch.tensor([1, 2, 500, 999, 1000])).isfinite().all()


def test_the_network_is_asked_with_the_share_of_the_way(make_source: MakeSource) -> None:
    network = Answer(lambda x, time: x)
    make(network).restore(make_source().images(3), torch.tensor([1, 25, 50]))
    assert network.time.tolist() == pytest.approx([0.02, 0.5, 1.0])


@pytest.mark.parametrize("kind", [*NOISY, *DEGRADATIONS, "gaussian+mask", "morph+noise"])
def test_only_a_gaussian_at_the_end_defines_noise(kind: str) -> None:
    assert ends_in_noise(make(nn.Identity(), kind).degradation) == kind.endswith("gaussian")


def test_bf16_is_what_was_asked_for() -> None:
    cpu = torch.device("cpu")
    assert runs_bf16("bf16", cpu)
    assert not runs_bf16("float32", cpu)
    assert runs_bf16("auto", torch.device("cuda"))


def test_bf16_reaches_the_network_and_not_the_result(make_source: MakeSource) -> None:
    linear = nn.Linear(28, 28)
    network = Answer(lambda x, time: linear(x))
    dtypes: list[torch.dtype] = []
    linear.register_forward_hook(lambda module, given, result: dtypes.append(result.dtype))
    for bf16 in (True, False):
        result = replace(make(network), bf16=bf16).restore(make_source().images(2), torch.tensor([5, 6]))
        assert result.dtype == torch.float32
    assert dtypes == [torch.bfloat16, torch.float32]
