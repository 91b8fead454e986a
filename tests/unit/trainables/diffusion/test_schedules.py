"""Schedules: from exactly 1 down to more than 0 whatever their parameters, and equal to the published formulas."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

from trainables.diffusion.schedules import (
    ALPHA_BAR_MIN,
    SCHEDULES,
    Constant,
    Cosine,
    Linear,
    Logistic,
    Sigmoid,
    Step,
    step_at,
)
from trainables.domain import Uniform, domains
from trainables.laws import LAWS

LENGTHS = (2, 7, 28, 200, 1000, 5000)


def corners(kind: str) -> list[dict[str, Any]]:
    """The defaults, and every combination of the ends of a schedule's domains, each with and without signal at T."""
    ends = {
        name: (domain.low, domain.high)
        for name, domain in domains(SCHEDULES[kind]).items()
        if isinstance(domain, Uniform)
    }
    plain = [{}, *(dict(zip(ends, values, strict=True)) for values in itertools.product(*ends.values()))]
    return [{**settings, "zero_snr": zero_snr} for settings in plain for zero_snr in (False, True)]


CORNERS = [(kind, settings) for kind in SCHEDULES for settings in corners(kind)]


@pytest.mark.parametrize(("kind", "settings"), CORNERS)
def test_the_laws_hold_whatever_the_parameters(kind: str, settings: dict[str, Any]) -> None:
    for T, law in itertools.product(LENGTHS, LAWS["schedule"]):
        assert law(SCHEDULES[kind](T=T, **settings)) is None


@pytest.mark.parametrize(("kind", "settings"), CORNERS)
def test_no_trained_step_is_without_noise_or_without_signal(kind: str, settings: dict[str, Any]) -> None:
    """In float32, where samplers divide by the level and by the signal."""
    for T in LENGTHS:
        step = step_at(SCHEDULES[kind](T=T, **settings).alpha_bar().float(), torch.arange(1, T + 1))
        assert (step.sigma > 0).all()
        assert (step.alpha > 0).all()
        assert ((step.sigma.double() ** 2 + step.alpha.double() ** 2 - 1).abs() < 1e-6).all()


@pytest.mark.parametrize("zero_snr", [False, True])
@pytest.mark.parametrize("kind", SCHEDULES)
def test_the_default_falls_at_every_step(kind: str, zero_snr: bool) -> None:
    assert (SCHEDULES[kind](zero_snr=zero_snr).alpha_bar().diff() < 0).all()


@pytest.mark.parametrize(("kind", "settings"), [(kind, s) for kind, s in CORNERS if s["zero_snr"]])
def test_at_zero_snr_no_signal_is_left_and_the_first_step_stays(kind: str, settings: dict[str, Any]) -> None:
    for T in LENGTHS:
        alpha_bar = SCHEDULES[kind](T=T, **settings).alpha_bar()
        plain = SCHEDULES[kind](T=T, **{**settings, "zero_snr": False}).alpha_bar()
        assert alpha_bar[-1].item() == ALPHA_BAR_MIN
        assert alpha_bar[1].item() == pytest.approx(plain[1].item(), rel=1e-9)
        assert (alpha_bar <= plain * (1 + 1e-9)).all()


@pytest.mark.parametrize("T", LENGTHS)
@pytest.mark.parametrize("kind", SCHEDULES)
def test_rescaling_is_that_of_diffusers(kind: str, T: int) -> None:
    plain = SCHEDULES[kind](T=T).shares()
    betas = 1 - plain / torch.cat([torch.ones(1, dtype=torch.float64), plain[:-1]])
    theirs = torch.cumprod(1 - rescale_zero_terminal_snr(betas), 0)
    ours = SCHEDULES[kind](T=T, zero_snr=True).alpha_bar()[1:]
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=2e-7)


@pytest.mark.parametrize("T", LENGTHS)
@pytest.mark.parametrize("kind", SCHEDULES)
def test_a_step_is_the_schedule_at_t(kind: str, T: int) -> None:
    alpha_bar = SCHEDULES[kind](T=T).alpha_bar()
    t = torch.tensor([0, 1, T // 2, T - 1, T])
    step = step_at(alpha_bar.float(), t)
    # As near as float32 numbers below 1 are to each other.
    np.testing.assert_allclose(step.sigma**2, 1 - alpha_bar[t], rtol=1e-6, atol=6e-8)
    np.testing.assert_allclose(step.alpha, alpha_bar[t].sqrt(), rtol=1e-6)
    np.testing.assert_allclose(step.time, t / T, rtol=1e-6)
    assert step.sigma[0] == step.time[0] == 0
    assert step.alpha[0] == step.time[-1] == 1


def test_a_step_broadcasts_over_images() -> None:
    step = Step(*(torch.rand(5) for _ in range(3))).over(torch.zeros(5, 3, 8, 9))
    assert all(part.shape == (5, 1, 1, 1) for part in step)


@pytest.mark.parametrize("T", LENGTHS)
def test_linear_is_that_of_diffusers(T: int) -> None:
    theirs = DDPMScheduler(num_train_timesteps=T, beta_start=1e-4, beta_end=0.02, beta_schedule="linear")
    ours = Linear(T=T, beta_start=1e-4, beta_end=0.02).alpha_bar()[1:]
    np.testing.assert_allclose(ours, theirs.alphas_cumprod, rtol=1e-4, atol=2e-9)


@pytest.mark.parametrize("T", LENGTHS)
def test_linear_is_the_running_product_of_its_betas(T: int) -> None:
    expected = np.cumprod([1 - (0.001 + (0.015 - 0.001) * k / (T - 1)) for k in range(T)])
    ours = Linear(T=T, beta_start=0.001, beta_end=0.015).alpha_bar()[1:]
    np.testing.assert_allclose(ours, np.maximum(expected, 1e-9), rtol=1e-9)


@pytest.mark.parametrize("T", LENGTHS)
def test_cosine_is_that_of_diffusers(T: int) -> None:
    theirs = DDPMScheduler(num_train_timesteps=T, beta_schedule="squaredcos_cap_v2")
    ours = Cosine(T=T, s=0.008, beta_max=0.999).alpha_bar()[1:]
    np.testing.assert_allclose(ours, theirs.alphas_cumprod.clamp(min=1e-9), rtol=3e-4)


@pytest.mark.parametrize("beta_max", [0.5, 0.9, 0.999])
def test_cosine_keeps_every_beta_below_its_maximum(beta_max: float) -> None:
    alpha_bar = Cosine(T=50, beta_max=beta_max).alpha_bar()
    beta = 1 - alpha_bar[1:] / alpha_bar[:-1]
    assert beta.max().item() == pytest.approx(beta_max)


@pytest.mark.parametrize(("beta", "T"), [(0.001, 2000), (0.1, 200), (0.5, 28)])
def test_constant_is_a_power(beta: float, T: int) -> None:
    expected = [max((1 - beta) ** t, 1e-9) for t in range(T + 1)]
    np.testing.assert_allclose(Constant(T=T, beta=beta).alpha_bar(), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("kind", "T", "start", "end"),
    [("linear", 1000, 1e-4, 0.02), ("linear", 200, 1e-4, 0.1), ("constant", 2000, 0.001, 0.001)],
)
def test_from_zero_is_the_starters_schedule(kind: str, T: int, start: float, end: float) -> None:
    """T + 1 betas and their running product, of which step t has the entry t."""
    beta = (end - start) * np.arange(T + 1) / T + start
    fields = {"beta": start} if kind == "constant" else {"beta_start": start, "beta_end": end}
    found = SCHEDULES[kind](T=T, from_zero=True, **fields).alpha_bar()
    np.testing.assert_allclose(found[1:], np.exp(np.cumsum(np.log(1 - beta)))[1:], rtol=1e-9)
    np.testing.assert_allclose(1 - found[2:] / found[1:-1], beta[2:], rtol=1e-6)


def test_the_fruits_reports_betas_end_before_002() -> None:
    """Theirs are torch.arange(start=0.001, end=0.02, step=(0.02 - 0.001) / 1000), of which t counts from 0."""
    theirs = torch.arange(start=0.001, end=0.02, step=(0.02 - 0.001) / 1000).double()
    found = Linear(T=1000, beta_start=0.001, beta_end=0.019981).alpha_bar()
    torch.testing.assert_close(found[1:], torch.cumprod(1 - theirs, 0), rtol=1e-4, atol=0)


@pytest.mark.parametrize(("start", "end", "tau"), [(-3, 3, 1.0), (0, 3, 0.3), (-3, 3, 0.5), (-3, 3, 1.1), (0, 1, 2.0)])
def test_sigmoid_is_chens_algorithm(start: float, end: float, tau: float) -> None:
    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    def gamma(u: float) -> float:
        v_start, v_end = sigmoid(start / tau), sigmoid(end / tau)
        output = (v_end - sigmoid((u * (end - start) + start) / tau)) / (v_end - v_start)
        return min(max(output, 1e-9), 1.0)

    ours = Sigmoid(T=200, start=start, end=end, tau=tau).alpha_bar()
    np.testing.assert_allclose(ours, [gamma(t / 200) for t in range(201)], rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize(("low", "high"), [(-4, 6), (-8, 8), (-1, 1)])
def test_the_level_of_logistic_is_grivots_intensity(low: float, high: float) -> None:
    step = step_at(Logistic(T=1000, low=low, high=high).alpha_bar().float(), torch.arange(1, 1001))
    expected = 1 / (1 + np.exp(-np.linspace(low, high, 1000)))
    np.testing.assert_allclose(step.sigma, expected, rtol=1e-4, atol=5e-5)


@pytest.mark.parametrize("T", LENGTHS)
def test_the_level_of_uniform_is_the_share_of_the_way(T: int) -> None:
    alpha_bar = SCHEDULES["uniform"](T=T).alpha_bar()
    # Below a level of 3e-4 float32 has no alpha_bar.
    np.testing.assert_allclose((1 - alpha_bar).sqrt(), torch.arange(T + 1) / T, rtol=1e-6, atol=1.2e-4)
    np.testing.assert_allclose(step_at(alpha_bar.float(), torch.tensor([T // 2])).sigma, (T // 2) / T, rtol=1e-6)
