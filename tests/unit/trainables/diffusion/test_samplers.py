"""Samplers: step for step those of diffusers, exact where the denoiser is ideal, as many network calls as promised."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from diffusers.schedulers.scheduling_flow_match_heun_discrete import FlowMatchHeunDiscreteScheduler
from scipy import stats
from torch import Tensor, nn

from tests.helpers.diffusion import MakeSource, degradation_of
from trainables.compatibility import fitting
from trainables.config import Sampling
from trainables.diffusion.degradations import DEGRADATIONS, Degradation, Flow, Gaussian, Overlay
from trainables.diffusion.process import Diffusion
from trainables.diffusion.samplers import SAMPLERS, nfe, strided
from trainables.diffusion.schedules import SCHEDULES, Cosine, Linear, Sigmoid, UniformSigma
from trainables.diffusion.source import PIXELS, Source
from trainables.networks import UNet

COLD_SAMPLERS = [name for name, sampler in SAMPLERS.items() if sampler.degrades and name != "renoise"]
RANDOM = ("ancestral", "ancestral_large", "renoise")  # those that draw on the way
OVERLAYS = [kind for kind, member in DEGRADATIONS.items() if issubclass(member, Overlay)]
# Those with an ideal denoiser land on the data; cold sampling with a z held fixed need not, nor with a fresh one.
EXACT = [name for name in SAMPLERS if name not in ("cold1", "cold2", "cold2_x0", "renoise")]
PAIRS = [("gaussian", "x0"), ("gaussian", "eps"), ("gaussian", "v"), ("flow", "x0"), ("flow", "velocity")]
IDEAL = [
    (s, kind, target) for kind, target in PAIRS for s in EXACT if s in fitting("sampler/kind", DEGRADATIONS[kind]())
]
THEIR_TARGETS = {"eps": "epsilon", "x0": "sample", "v": "v_prediction"}
T = 60
# Every target, and of one of them every step and a single one.
TARGETS_AND_STEPS = [*((target, 12) for target in THEIR_TARGETS), ("eps", T), ("eps", 1)]


class Always(nn.Module):
    """Answers with the same images to every question, and counts the questions."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.images, self.calls = images, 0

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        self.calls += 1
        return self.images.expand_as(x)


# (x_t, alpha, sigma) -> E[x0 | x_t], in closed form.
PosteriorMean = Callable[[Tensor, Tensor, Tensor], Tensor]


def mean_of_points(points: Tensor) -> PosteriorMean:
    """Of data that is a handful of images (K, C, H, W)."""

    def mean(x_t: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        away = x_t.flatten(1)[:, None] - alpha.flatten(1)[..., None] * points.double().flatten(1)
        weights = (-away.square().sum(-1) / (2 * sigma.flatten(1) ** 2)).softmax(1)
        return (weights @ points.double().flatten(1)).view_as(x_t)

    return mean


def mean_of_mixture(weights: list[float], means: list[float], deviations: list[float]) -> PosteriorMean:
    """Of data whose every pixel is drawn from a mixture of normal distributions."""
    w, m, s = (torch.tensor(values, dtype=torch.float64) for values in (weights, means, deviations))

    def mean(x_t: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        x_t, alpha, sigma = x_t[..., None], alpha[..., None], sigma[..., None]
        variance = alpha**2 * s**2 + sigma**2
        odds = w.log() - variance.log() / 2 - (x_t - alpha * m) ** 2 / (2 * variance)
        return (odds.softmax(-1) * (m + alpha * s**2 / variance * (x_t - alpha * m))).sum(-1)

    return mean


class Ideal(nn.Module):
    """The ideal network for any target, in float64: from E[x0 | x_t] and x_t = alpha x0 + sigma z."""

    def __init__(self, mean: PosteriorMean, alpha_bar: Tensor, kind: str, target: str) -> None:
        super().__init__()
        self.mean, self.alpha_bar, self.kind, self.target = mean, alpha_bar.double(), kind, target

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        share = self.alpha_bar[(time * (len(self.alpha_bar) - 1)).round().long()].view(-1, 1, 1, 1)
        sigma = (1 - share).sqrt()
        alpha = 1 - sigma if self.kind == "flow" else share.sqrt()
        y = self.mean(x.double(), alpha, sigma)
        z = (x.double() - alpha * y) / sigma
        return {"x0": y, "eps": z, "v": alpha * z - sigma * y, "velocity": z - y}[self.target].float()


def ideal(mean: PosteriorMean, alpha_bar: Tensor, kind: str, target: str) -> Diffusion:
    network = Ideal(mean, alpha_bar, kind, target)
    return Diffusion(alpha_bar, degradation_of(kind), network, target, PIXELS["-1..1"])


def make(network: nn.Module, degradation: Degradation | None = None, target: str = "x0", steps: int = T) -> Diffusion:
    alpha_bar = Linear(T=steps, beta_end=0.2).alpha_bar().float()
    return Diffusion(alpha_bar, degradation or Gaussian(), network, target, PIXELS["-1..1"])


def walk(sampler: str, diffusion: Diffusion, x_T: Tensor, z: Any, times: list[int], source: Source) -> list[Tensor]:
    """Return x_T and every x_t after it."""
    return [x_T, *SAMPLERS[sampler](diffusion, x_T, z, times, source)]


@pytest.fixture
def x_T() -> Tensor:
    return torch.randn(6, 1, 12, 12, generator=torch.Generator().manual_seed(7))


def small_network() -> nn.Module:
    torch.manual_seed(0)
    return UNet(widths="4").build(1, 12)


def asked(diffusion: Diffusion, x_t: Tensor, t: float) -> Tensor:
    """What the network answers at step t."""
    return diffusion.network(x_t, torch.full((len(x_t),), t / diffusion.T))


def theirs_of(kind: Any, target: str, **settings: Any) -> Any:
    """A scheduler of diffusers for the diffusion that `make` returns."""
    return kind(num_train_timesteps=T, beta_start=1e-4, beta_end=0.2, prediction_type=THEIR_TARGETS[target], **settings)


@pytest.mark.parametrize(("target", "steps"), TARGETS_AND_STEPS)
@pytest.mark.parametrize(("sampler", "variance"), [("ancestral", "fixed_small"), ("ancestral_large", "fixed_large")])
def test_ancestral_steps_are_those_of_diffusers(
    sampler: str, variance: str, target: str, steps: int, x_T: Tensor, make_source: MakeSource
) -> None:
    """Except the last, where diffusers adds noise to the image if it comes from a t > 1: ours is the guess itself."""
    diffusion, times = make(small_network(), target=target), strided(T, steps)
    theirs = theirs_of(DDPMScheduler, target, variance_type=variance, clip_sample=True)
    theirs.set_timesteps(timesteps=[t - 1 for t in times[:-1]])
    noise = torch.Generator().manual_seed(11)
    with torch.no_grad():
        path = walk(sampler, diffusion, x_T, x_T, times, make_source(seed=11))
        for t, s, x_t, x_s in zip(times[:-1], times[1:], path[:-1], path[1:], strict=True):
            prediction = asked(diffusion, x_t, t)
            step = theirs.step(prediction, t - 1, x_t, generator=noise)
            expected = step.prev_sample if s else step.pred_original_sample
            torch.testing.assert_close(x_s, expected, rtol=1e-4, atol=1e-4)


def test_without_the_clip_the_larger_ancestral_steps_are_algorithm_18_2_of_prince(
    x_T: Tensor, make_source: MakeSource
) -> None:
    """As the reports have it: z - beta / sqrt(1 - alpha_bar) eps, over sqrt(1 - beta), plus sqrt(beta) noise."""
    diffusion, noise = replace(make(small_network(), target="eps"), clip=False), make_source(seed=11)
    with torch.no_grad():
        path = walk("ancestral_large", diffusion, x_T, x_T, strided(T, T), make_source(seed=11))
        for t, x_t, x_s in zip(range(T, 0, -1), path[:-1], path[1:], strict=True):
            eps = asked(diffusion, x_t, t)
            beta = 1e-4 + (0.2 - 1e-4) * (t - 1) / (T - 1)
            mean = (x_t - beta / (1 - diffusion.alpha_bar[t]).sqrt() * eps) / (1 - beta) ** 0.5
            added = beta**0.5 * noise.normal(x_t.shape) * (t > 1)
            torch.testing.assert_close(x_s, mean + added, rtol=1e-4, atol=1e-4)
    assert max(x_t.abs().max() for x_t in path[1:]) > 3  # so that a clip would be noticed


@pytest.mark.parametrize(("target", "steps"), TARGETS_AND_STEPS)
@pytest.mark.parametrize(
    ("sampler", "eta"), [("ddim", 0.0), ("ddim", 0.3), ("ddim", 1.0), ("euler", 0.0), ("cold2_estimated", 0.0)]
)
def test_ddim_steps_are_those_of_diffusers(
    sampler: str, eta: float, target: str, steps: int, x_T: Tensor, make_source: MakeSource
) -> None:
    """And for Gaussian noise, so are Euler's steps and Algorithm 2 with z solved at each step."""
    diffusion, times = make(small_network(), target=target), strided(T, steps)
    own, noise = Sampling(sampler, eta=eta).sampler, torch.Generator().manual_seed(11)
    theirs = theirs_of(DDIMScheduler, target, clip_sample=True, timestep_spacing="trailing")
    theirs.set_timesteps(steps)
    assert [t - 1 for t in times[:-1]] == theirs.timesteps.tolist()
    with torch.no_grad():
        path = [x_T, *own(diffusion, x_T, x_T, times, make_source(seed=11))]
        for t, x_t, x_s in zip(times[:-1], path[:-1], path[1:], strict=True):
            prediction = asked(diffusion, x_t, t)
            step = theirs.step(prediction, t - 1, x_t, eta=eta, use_clipped_model_output=True, generator=noise)
            torch.testing.assert_close(x_s, step.prev_sample, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_ddim_with_all_noise_is_ancestral_and_with_hardly_any_itself(
    schedule: str, x_T: Tensor, make_source: MakeSource
) -> None:
    alpha_bar = SCHEDULES[schedule](T=200).alpha_bar().float()
    diffusion = Diffusion(alpha_bar, Gaussian(), small_network(), "v", PIXELS["-1..1"])
    for eta, kind in ((1.0, "ancestral"), (1e-6, "ddim")):
        with torch.no_grad():
            found = Sampling("ddim", eta=eta).sampler(diffusion, x_T, x_T, strided(200, 20), make_source(5))
            expected = SAMPLERS[kind](diffusion, x_T, x_T, strided(200, 20), make_source(5))
            for x_s, x in zip(found, expected, strict=True):
                torch.testing.assert_close(x_s, x, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("target", "steps"), [*TARGETS_AND_STEPS, ("v", 2)])
def test_dpmpp_steps_are_those_of_diffusers(target: str, steps: int, x_T: Tensor, make_source: MakeSource) -> None:
    """Along whole paths, of a network unlike any denoiser, without the clip, which theirs lacks."""
    diffusion, times = replace(make(small_network(), target=target), clip=False), strided(T, steps)
    theirs = theirs_of(DPMSolverMultistepScheduler, target, solver_order=2)
    theirs.set_timesteps(timesteps=[t - 1 for t in times[:-1]])
    with torch.no_grad():
        path, expected = walk("dpmpp", diffusion, x_T, x_T, times, make_source()), x_T
        for t, x_s in zip(times[:-1], path[1:], strict=True):
            prediction = asked(diffusion, expected, t)
            expected = theirs.step(prediction, t - 1, expected).prev_sample
            torch.testing.assert_close(x_s, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("stride", [1, 5, 60])
@pytest.mark.parametrize(
    ("sampler", "scheduler"), [("euler", FlowMatchEulerDiscreteScheduler), ("heun", FlowMatchHeunDiscreteScheduler)]
)
def test_steps_of_the_flow_are_those_of_diffusers(
    sampler: str, scheduler: Any, stride: int, x_T: Tensor, make_source: MakeSource
) -> None:
    steps = 61  # their Heun ends with the step from 1 to 0
    times = [*range(steps, 0, -stride), 0]
    alpha_bar = UniformSigma(T=steps).alpha_bar().float()
    diffusion = Diffusion(alpha_bar, Flow(), small_network(), "velocity", PIXELS["-1..1"], clip=False)
    theirs = scheduler(num_train_timesteps=steps)
    if sampler == "euler":
        theirs.set_timesteps(sigmas=(np.array(times[:-1]) / steps).tolist())
    else:
        theirs.set_timesteps(len(times) - 1)
    with torch.no_grad():
        sample = walk(sampler, diffusion, x_T, x_T, times, make_source())[-1]
        expected = x_T
        for t in theirs.timesteps:
            velocity = asked(diffusion, expected, t.item())
            expected = theirs.step(velocity, t, expected).prev_sample
    assert len(theirs.timesteps) == nfe(sampler, times)
    torch.testing.assert_close(sample, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("steps", [60, 20, 10])
def test_dpmpp_steps_of_the_flow_are_those_of_diffusers(steps: int, x_T: Tensor, make_source: MakeSource) -> None:
    """From the step before the last, where their path begins."""
    total = 61
    alpha_bar = UniformSigma(T=total).alpha_bar().float()
    diffusion = Diffusion(alpha_bar, Flow(), small_network(), "velocity", PIXELS["-1..1"], clip=False)
    theirs = DPMSolverMultistepScheduler(
        num_train_timesteps=total, use_flow_sigmas=True, prediction_type="flow_prediction", solver_order=2
    )
    theirs.set_timesteps(steps)
    times = [*range(60, 0, -60 // steps), 0]
    with torch.no_grad():
        path, expected = walk("dpmpp", diffusion, x_T, x_T, times, make_source()), x_T
        for given, t, x_s in zip(theirs.timesteps, times[:-1], path[1:], strict=True):
            assert abs(given.item() - t) <= 1  # theirs are rounded down
            expected = theirs.step(asked(diffusion, expected, t), given, expected).prev_sample
            torch.testing.assert_close(x_s, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", OVERLAYS)
def test_of_an_overlay_algorithm_2_with_its_z_solved_is_eulers(kind: str, make_source: MakeSource) -> None:
    source = make_source()
    diffusion = make(small_network(), degradation_of(kind))
    x_T, z = diffusion.degradation.prior(torch.Size((4, 1, 12, 12)), diffusion.step(torch.full((4,), T)), source)
    with torch.no_grad():
        ours, theirs = (walk(name, diffusion, x_T, z, strided(T, 9), source) for name in ("euler", "cold2_estimated"))
    for x_t, x in zip(ours, theirs, strict=True):
        torch.testing.assert_close(x_t, x, rtol=0, atol=1e-5)


LANDINGS = [
    *((sampler, kind, target, 100) for sampler, kind, target in IDEAL if target == "x0"),
    *((sampler, "gaussian", "x0", 20) for sampler in EXACT),
]


@pytest.mark.parametrize(
    ("sampler", "kind", "target", "steps", "schedule"),
    [
        *((*landing, "cosine") for landing in LANDINGS),
        *((s, "gaussian", "x0", 20, schedule) for schedule in SCHEDULES for s in ("ancestral", "heun", "dpmpp")),
        *(
            pytest.param(*landing, schedule, marks=pytest.mark.slow)
            for landing in LANDINGS
            for schedule in SCHEDULES
            if schedule != "cosine"
        ),
    ],
)
def test_with_an_ideal_denoiser_samples_land_on_the_data(
    sampler: str, kind: str, target: str, steps: int, schedule: str, make_source: MakeSource
) -> None:
    source, alpha_bar = make_source(size=(12, 12)), SCHEDULES[schedule](T=1000).alpha_bar().float()
    points = source.images(5)
    diffusion = ideal(mean_of_points(points), alpha_bar, kind, target)
    x_T = source.normal(torch.Size((24, 1, 12, 12)))
    samples = walk(sampler, diffusion, x_T, x_T, strided(1000, steps), source)[-1]
    distances = (samples[:, None] - points).abs().amax((2, 3, 4))
    assert (distances.amin(1) < 1e-3).all()
    assert len(distances.argmin(1).unique()) == len(points)


@pytest.mark.parametrize(
    ("sampler", "kind", "target", "schedule"),
    [
        *((*ideal, "cosine") for ideal in IDEAL if ideal[2] == "x0" or ideal[0] in ("ancestral", "heun")),
        *(pytest.param(*ideal, "uniform", marks=pytest.mark.slow) for ideal in IDEAL),
    ],
)
def test_with_an_ideal_denoiser_noise_becomes_the_datas_distribution(
    sampler: str, kind: str, target: str, schedule: str, make_source: MakeSource
) -> None:
    """A mixture of two normal distributions, told from others by a Kolmogorov-Smirnov test of 4,096 pixels."""
    weights, means, deviations = [0.3, 0.7], [-0.5, 0.4], [0.1, 0.15]
    alpha_bar = SCHEDULES[schedule](T=400).alpha_bar().float()
    diffusion, source = ideal(mean_of_mixture(weights, means, deviations), alpha_bar, kind, target), make_source()
    x_T = source.normal(torch.Size((256, 1, 4, 4)))
    sample = walk(sampler, diffusion, x_T, x_T, strided(400, 100), source)[-1]

    def distribution(x: np.ndarray) -> np.ndarray:
        parts = zip(weights, means, deviations, strict=True)
        return sum((w * stats.norm.cdf(x, m, s) for w, m, s in parts), np.zeros_like(x))

    assert stats.kstest(sample.flatten().numpy(), distribution).pvalue > 0.01


@pytest.mark.parametrize(
    ("sampler", "kind", "order"),
    [("euler", "flow", 1), ("heun", "flow", 2), ("ddim", "gaussian", 1), ("heun", "gaussian", 2)],
)
def test_halving_the_steps_divides_the_error_by_the_order(
    sampler: str, kind: str, order: int, make_source: MakeSource
) -> None:
    """Of normal data the ODE keeps every pixel's place in units of the standard deviation of x_t."""
    mean, deviation, schedule = 0.1, 0.1, UniformSigma(T=1024)
    diffusion = ideal(mean_of_mixture([1.0], [mean], [deviation]), schedule.alpha_bar().float(), kind, "x0")
    x_T = torch.linspace(-2, 2, 16).view(1, 1, 4, 4)
    alpha = 0.0 if kind == "flow" else schedule.alpha_bar()[-1].sqrt().item()
    exact = mean + deviation * (x_T - alpha * mean) / (alpha**2 * deviation**2 + 1) ** 0.5
    errors = [
        (walk(sampler, diffusion, x_T, x_T, strided(1024, steps), make_source())[-1] - exact).abs().max().item()
        for steps in (32, 64, 128)
    ]
    rates = [np.log2(more / less) for more, less in itertools.pairwise(errors)]
    assert all(abs(rate - order) < 0.3 for rate in rates), errors


@pytest.mark.parametrize("kind", ["gaussian", "flow"])
@pytest.mark.parametrize("schedule", ["linear", "cosine", "sigmoid", "logistic", "uniform"])
def test_dpmpp_has_a_third_of_eulers_error_from_where_no_signal_is_left(
    schedule: str, kind: str, make_source: MakeSource
) -> None:
    mean, deviation, alpha_bar = 0.1, 0.5, SCHEDULES[schedule](T=1024, zero_snr=True).alpha_bar()
    diffusion = replace(ideal(mean_of_mixture([1.0], [mean], [deviation]), alpha_bar.float(), kind, "x0"), clip=False)
    x_T = torch.linspace(-2, 2, 16).view(1, 1, 4, 4)
    exact = mean + deviation * x_T
    euler, dpmpp = (
        (walk(sampler, diffusion, x_T, x_T, strided(1024, 32), make_source())[-1] - exact).abs().max().item()
        for sampler in ("euler", "dpmpp")
    )
    assert dpmpp < euler / 3, (dpmpp, euler)


# One kind for each way that a z is solved for, or not; the whole grid says the same of the others.
RESTORED = ["gaussian", "pseudo_qr", "mask", "blur", "morph+noise", "mask+contrast"]


@pytest.mark.parametrize(
    ("sampler", "kind", "steps"),
    [
        *itertools.product(COLD_SAMPLERS, RESTORED, [7]),
        *itertools.product(["euler", "heun", "dpmpp"], ["gaussian", "flow", "morph"], [7]),
        *(
            pytest.param(*grid, marks=pytest.mark.slow)
            for grid in (
                *itertools.product(COLD_SAMPLERS, [*DEGRADATIONS, "pseudo_qr+noise"], [T]),
                *itertools.product(["euler", "heun", "dpmpp"], OVERLAYS, [T]),
            )
        ),
    ],
)
def test_a_perfect_restorer_brings_back_what_was_degraded(
    sampler: str, kind: str, steps: int, make_source: MakeSource
) -> None:
    """At every step, from D(x0, T, z): x_s == D(x0, s, z)."""
    source = make_source()
    x0 = source.images(6)
    diffusion = make(Always(x0), degradation_of(kind))
    z = diffusion.degradation.draw(x0, source)
    times = strided(T, steps)
    expected = [diffusion.degradation(x0, diffusion.step(torch.full((6,), t)), z) for t in times]
    path = walk(sampler, diffusion, expected[0], z, times, source)
    for x_t, x in zip(path, expected, strict=True):
        torch.testing.assert_close(x_t, x, rtol=0, atol=2e-5)
    torch.testing.assert_close(path[-1], x0, rtol=0, atol=2e-5)


@pytest.mark.parametrize("kind", [*DEGRADATIONS, "mask+gaussian", "contrast+morph"])
def test_a_cold_step_is_its_algorithm(kind: str, make_source: MakeSource) -> None:
    """From an x_t that is not D(x0_hat, t, z), as every x_t of an imperfect network."""
    source, t, s = make_source(), 40, 25
    guess = source.images(6)
    diffusion = make(Always(guess), degradation_of(kind))
    degrade = diffusion.degradation
    at_t, at_s = (diffusion.step(torch.full((6,), k)) for k in (t, s))
    z = degrade.draw(guess, source)
    x_t = degrade(source.images(6), at_t, z)
    solved = degrade.estimate(x_t, guess, at_t, z)
    expected = {
        "cold1": degrade(guess, at_s, z),
        "cold2": x_t - degrade(guess, at_t, z) + degrade(guess, at_s, z),
        "cold2_x0": x_t - degrade(guess, at_t, z) + degrade(guess, at_s, z),
        "cold2_estimated": x_t - degrade(guess, at_t, solved) + degrade(guess, at_s, solved),
    }
    for sampler, x_s in expected.items():
        first = next(iter(SAMPLERS[sampler](diffusion, x_t, z, [t, s, 0], source)))
        torch.testing.assert_close(first, x_s, rtol=0, atol=1e-5)
    whole = {name: next(iter(SAMPLERS[name](diffusion, x_t, z, [t, 0], source))) for name in ("cold2", "cold2_x0")}
    torch.testing.assert_close(whole["cold2"], x_t - degrade(guess, at_t, z) + guess, rtol=0, atol=1e-5)
    assert torch.equal(whole["cold2_x0"], guess)
    if type(degrade).estimate is not Degradation.estimate and "+" not in kind:
        torch.testing.assert_close(expected["cold2_estimated"], degrade(guess, at_s, solved), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["gaussian", "flow", "morph", "mask", "mask+contrast"])
def test_fresh_noise_about_one_image_is_drawn_anew_at_each_step(kind: str, make_source: MakeSource) -> None:
    """With an ideal denoiser of a single image, x_s is D(image, s, z) of the z that is drawn there."""
    source, same, times = make_source(3), make_source(3), [T, 40, 7, 0]
    x0 = make_source(4).images(6)
    diffusion = make(Always(x0), degradation_of(kind))
    path = walk("renoise", diffusion, torch.zeros_like(x0), None, times, source)
    for t, x_t in zip(times[1:], path[1:], strict=True):
        z = diffusion.degradation.draw(x0, same)
        torch.testing.assert_close(x_t, diffusion.degradation(x0, diffusion.step(torch.full((6,), t)), z))
    assert torch.equal(path[-1], x0)


@pytest.mark.parametrize("steps", [1, 4, 100])
def test_fresh_noise_about_normal_data_ends_in_the_distribution_that_the_ideal_denoiser_leads_to(
    steps: int, make_source: MakeSource
) -> None:
    """x0_hat = E[x0 | x_t] is linear in x_t, so x_s is normal, with a mean and a variance in closed form."""
    mean, deviation, alpha_bar = 0.1, 0.2, SCHEDULES["cosine"](T=400).alpha_bar().float()
    diffusion, source = ideal(mean_of_mixture([1.0], [mean], [deviation]), alpha_bar, "gaussian", "x0"), make_source()
    times = strided(400, steps)
    x_T = source.normal(torch.Size((1024, 1, 4, 4)))
    sample = walk("renoise", diffusion, x_T, x_T, times, source)[-1]
    m, v = 0.0, 1.0
    for t, s in itertools.pairwise(times):
        alpha, sigma = alpha_bar[t].item() ** 0.5, (1 - alpha_bar[t].item()) ** 0.5
        gain = alpha * deviation**2 / (alpha**2 * deviation**2 + sigma**2)
        kept, added = alpha_bar[s].item() ** 0.5, 1 - alpha_bar[s].item()
        m, v = kept * (mean + gain * (m - alpha * mean)), kept**2 * gain**2 * v + added
    assert stats.kstest((sample.flatten().double().numpy() - m) / v**0.5, "norm").pvalue > 0.01
    assert v < deviation**2  # x0_hat has less variance than the data, and noise that is fresh does not bring it back


@pytest.mark.parametrize("steps", [1, 2, 13, T, 10 * T])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_network_is_called_as_often_as_said_and_each_x_t_is_yielded(
    sampler: str, steps: int, x_T: Tensor, make_source: MakeSource
) -> None:
    network, times = Always(torch.zeros(1)), strided(T, steps)
    path = walk(sampler, make(network), x_T, x_T, times, make_source())
    assert len(path) - 1 == len(times) - 1 == min(steps, T)
    assert network.calls == nfe(sampler, times) == (2 * min(steps, T) - 1 if sampler == "heun" else min(steps, T))
    assert all(x_t.shape == x_T.shape for x_t in path)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_what_a_sampler_is_given_stays_as_it_is(sampler: str, x_T: Tensor, make_source: MakeSource) -> None:
    given, times = x_T.clone(), strided(T, 5)
    list(SAMPLERS[sampler](make(small_network()), given, given, times, make_source()))
    assert torch.equal(given, x_T)
    assert times == strided(T, 5)


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "cold2"])
def test_the_last_x_t_is_the_last_guess_within_the_pixels_range(
    sampler: str, x_T: Tensor, make_source: MakeSource
) -> None:
    """Algorithm 2 with a fixed z is left out: it corrects x_t by differences, and may end outside the range."""
    diffusion = make(Always(torch.linspace(-3, 3, 144).view(1, 1, 12, 12)))
    sample = walk(sampler, diffusion, x_T, x_T, strided(T, 9), make_source())[-1]
    guess = torch.linspace(-3, 3, 144).view(1, 1, 12, 12).clamp(-1, 1).expand_as(sample)
    torch.testing.assert_close(sample, guess, rtol=0, atol=1e-5)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_sampling_follows_the_generator(sampler: str, x_T: Tensor, make_source: MakeSource) -> None:
    diffusion = make(small_network())
    with torch.no_grad():
        first, again, other = (
            walk(sampler, diffusion, x_T, x_T, strided(T, 5), make_source(seed))[-1] for seed in (1, 1, 2)
        )
    assert torch.equal(first, again)
    assert torch.equal(first, other) != (sampler in RANDOM)


@pytest.mark.parametrize(
    ("sampler", "settings", "kind"),
    [
        *itertools.product(SAMPLERS, [(0.1, -6.0, 6.0)], ["gaussian"]),
        *itertools.product(["dpmpp"], itertools.product([0.1, 2.0], [-6.0, 0.0], [1.0, 6.0]), ["gaussian", "flow"]),
    ],
)
def test_samples_are_finite_where_a_schedule_barely_moves(
    sampler: str, settings: tuple[float, float, float], kind: str, x_T: Tensor, make_source: MakeSource
) -> None:
    tau, start, end = settings
    alpha_bar = Sigmoid(T=1000, tau=tau, start=start, end=end).alpha_bar().float()
    target = "eps" if kind == "gaussian" else "velocity"
    diffusion = Diffusion(alpha_bar, degradation_of(kind), small_network(), target, PIXELS["-1..1"])
    with torch.no_grad():
        path = walk(sampler, diffusion, x_T, x_T, strided(1000, 40), make_source())
    assert all(x_t.isfinite().all() for x_t in path)


def test_strided_times_fall_evenly_to_0() -> None:
    for T, steps in itertools.product(range(1, 40), range(1, 45)):
        times = strided(T, steps)
        gaps = [t - s for t, s in itertools.pairwise(times)]
        assert times[0] == T
        assert times[-1] == 0
        assert len(gaps) == min(steps, T)
        assert min(gaps) >= 1
        assert max(gaps) - min(gaps) <= 2
    assert strided(1000, 20) == list(range(1000, -1, -50))
    assert strided(1000, 80)[1:4] == [988, 975, 962]  # halves are rounded to even numbers


@pytest.mark.parametrize("spacing", [1.0, 1.5, 3.0])
def test_unevenly_strided_times_are_closer_near_0_and_never_repeat(spacing: float) -> None:
    for T, steps in itertools.product(range(1, 40), range(1, 45)):
        times = strided(T, steps, spacing)
        assert (times[0], times[-1], len(times) - 1) == (T, 0, min(steps, T))
        assert all(t > s for t, s in itertools.pairwise(times))
    power = np.linspace(1, 0, 11) ** spacing
    assert np.abs(np.array(strided(5000, 10, spacing)) / 5000 - power).max() <= 1e-3
    assert strided(7, 6, 3.0) == [7, 5, 4, 3, 2, 1, 0]  # there is no room


@pytest.mark.parametrize(("sampler", "schedule", "spacing"), [("heun", "cosine", 1.5), ("dpmpp", "linear", 1.5)])
def test_closer_times_near_0_lower_the_error_of_ten_steps(
    sampler: str, schedule: str, spacing: float, make_source: MakeSource
) -> None:
    """Of normal data the ODE keeps every pixel's place in units of the standard deviation of x_t."""
    deviation, alpha_bar = 0.5, SCHEDULES[schedule]().alpha_bar()
    diffusion = ideal(mean_of_mixture([1.0], [0.0], [deviation]), alpha_bar.float(), "gaussian", "x0")
    diffusion = replace(diffusion, clip=False)
    x_T = torch.linspace(-2, 2, 16).view(1, 1, 4, 4)
    exact = x_T * deviation / (alpha_bar[-1] * deviation**2 + 1 - alpha_bar[-1]).sqrt()
    even, uneven = (
        (walk(sampler, diffusion, x_T, x_T, strided(1000, 10, s), make_source())[-1] - exact).abs().max().item()
        for s in (1.0, spacing)
    )
    assert uneven < even / 5, (even, uneven)


def test_the_cosine_schedule_is_sampled_from_its_very_end(x_T: Tensor, make_source: MakeSource) -> None:
    """Its last share of signal is 2e-9: the first step must neither divide by zero nor keep any of x_T's scale."""
    diffusion = Diffusion(Cosine().alpha_bar().float(), Gaussian(), Always(torch.zeros(1)), "eps", PIXELS["-1..1"])
    for eta in (0.0, 0.5, 1.0):
        sampler = Sampling("ddim", eta=eta).sampler
        path = list(sampler(diffusion, x_T, x_T, strided(1000, 20), make_source()))
        assert all(x_t.isfinite().all() for x_t in path)
        assert path[0].abs().max() < x_T.abs().max() + 1
