"""Laws of parts: what every schedule, degradation, network, sampler and target obeys, whoever wrote it.

A law is a function of a part; its docstring states the law. It returns None if the part obeys, else a description of
what was observed instead.
"""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainables.diffusion.degradations import Degradation, Gaussian
from trainables.diffusion.degradations.noises import Flow
from trainables.diffusion.process import Diffusion
from trainables.diffusion.samplers import Sampler, strided
from trainables.diffusion.schedules import Cosine, Schedule, Step, step_at
from trainables.diffusion.source import PIXELS, Source
from trainables.diffusion.targets import Target
from trainables.networks import Network

Law = Callable[[Any], str | None]

T, N, STEPS, CLASSES = 28, 6, 7, 3
SHAPES = ((1, 28, 28), (3, 32, 32))
ALPHA_BAR = Cosine(T=T).alpha_bar().float()


def source(shape: tuple[int, ...] = SHAPES[0], seed: int = 0) -> Source:
    """Return a source of smooth random images, on the CPU."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(64, shape[0], 7, 7, generator=torch.Generator().manual_seed(9))
    images = (255 * functional.interpolate(coarse, size=shape[1:], mode="bilinear")).to(torch.uint8)
    return Source(generator, PIXELS["-1..1"], images, images.flip(0)[:, :1])


def _steps(t: Tensor) -> Step:
    return step_at(ALPHA_BAR, t)


def _pick(z: Any, index: slice) -> Any:
    return tuple(_pick(part, index) for part in z) if isinstance(z, tuple) else z[index]


def _same(a: Any, b: Any) -> bool:
    return all(map(_same, a, b)) if isinstance(a, tuple) else torch.equal(a, b)


def has_an_entry_a_step(schedule: Schedule) -> str | None:
    """alpha_bar has T + 1 entries of float64."""
    for steps in (2, T, 1000):
        found = replace(schedule, T=steps).alpha_bar()
        if found.shape != (steps + 1,) or found.dtype != torch.float64:
            return f"{found.dtype} of shape {tuple(found.shape)} for T={steps}"
    return None


def begins_with_the_image(schedule: Schedule) -> str | None:
    """alpha_bar[0] is exactly 1."""
    first = schedule.alpha_bar()[0].item()
    return None if first == 1 else f"{first:g}"


def never_increases(schedule: Schedule) -> str | None:
    """alpha_bar never increases, and stays in (0, 1]."""
    found = schedule.alpha_bar()
    if not found.isfinite().all() or not ((found > 0) & (found <= 1)).all():
        return f"values from {found.min():g} to {found.max():g}"
    rises = (found.diff() > 0).nonzero()
    return f"a rise after t={rises[0].item()}" if len(rises) else None


def leaves_the_clean_image(degradation: Degradation) -> str | None:
    """D(x0, step 0, z) is x0 itself."""
    for shape in SHAPES:
        given = source(shape)
        x0 = given.images(N)
        x_t = degradation(x0, _steps(torch.zeros(N, dtype=torch.long)), degradation.draw(x0, given))
        if not torch.equal(x_t, x0):
            return f"a difference of up to {(x_t - x0).abs().max():.3g}"
    return None


def is_pure(degradation: Degradation) -> str | None:
    """D called twice gives the same, and changes neither x0 nor z."""
    given, t = source(), torch.arange(N) * T // (N - 1)
    x0 = given.images(N)
    z = degradation.draw(x0, given)
    before = deepcopy((x0, z))
    first, second = (degradation(x0, _steps(t), z) for _ in range(2))
    if not torch.equal(first, second):
        return "another result at the second call; draw all that is random in draw()"
    return None if _same(before, (x0, z)) else "x0 or z changed by the call"


def keeps_shape_and_type(degradation: Degradation) -> str | None:
    """D returns finite images of x0's shape and type."""
    for shape in SHAPES:
        given = source(shape)
        for x0 in (given.images(N), given.images(N).bfloat16()):
            x_t = degradation(x0, _steps(torch.arange(N) * T // (N - 1)), degradation.draw(x0, given))
            if x_t.shape != x0.shape or x_t.dtype != x0.dtype:
                return f"{x_t.dtype} of shape {tuple(x_t.shape)} for {x0.dtype} of shape {tuple(x0.shape)}"
            if not x_t.isfinite().all():
                return "values that are not finite"
    return None


def is_batched(degradation: Degradation) -> str | None:
    """Each image of a batch has its own step and its own z."""
    given, t = source(), torch.tensor([T, 3, 20, 0, 9, 14])
    x0 = given.images(N)
    z = degradation.draw(x0, given)
    together = degradation(x0, _steps(t), z)
    for k in range(N):
        one = slice(k, k + 1)
        alone = degradation(x0[one], _steps(t[one]), _pick(z, one))
        if not torch.allclose(alone, together[one], rtol=0, atol=1e-5):
            return f"a difference of {(alone - together[one]).abs().max():.3g} between an image alone and in a batch"
    return None


def draws_from_the_source(degradation: Degradation) -> str | None:
    """draw() gives the same z for the same state of the source's generator."""
    x0 = source().images(N)
    same = _same(*(degradation.draw(x0, source(seed=5)) for _ in range(2)))
    return None if same else "another z; draw with source.normal, source.uniform or source.index"


def has_a_prior_to_sample_from(degradation: Degradation) -> str | None:
    """prior() gives x_T of the given shape and a z that D takes, the same for the same state of the source."""
    for shape in SHAPES:
        step = _steps(torch.full((N,), T))
        x_T, z = degradation.prior(torch.Size((N, *shape)), step, source(shape))
        if x_T.shape != (N, *shape) or x_T.dtype != torch.float32:
            return f"{x_T.dtype} of shape {tuple(x_T.shape)} for {N} images of shape {shape}"
        if not x_T.isfinite().all():
            return "values that are not finite"
        if (found := degradation(x_T, step, z)).shape != x_T.shape:
            return f"a z for which D returns shape {tuple(found.shape)}"
        if not _same((x_T, z), degradation.prior(torch.Size((N, *shape)), step, source(shape))):
            return "another x_T or z; draw with source.normal, source.uniform or source.index"
    return None


def is_solved_for_z(degradation: Degradation) -> str | None:
    """D(x0, step, estimate(x_t, x0, step, z)) is x_t, or estimate returns z itself."""
    given, step = source(), _steps(torch.tensor([1, 3, 9, 14, 20, T]))
    x0, guess = given.images(N), given.images(N)
    z = degradation.draw(x0, given)
    x_t = degradation(x0, step, z)
    found = degradation.estimate(x_t, guess, step, z)
    if _same(found, z):
        return None
    away = (degradation(guess, step, found) - x_t).abs().max().item()
    return None if away < 1e-3 else f"an image that differs by up to {away:.3g}"


def _built(network: Network, shape: tuple[int, ...], classes: int = 0) -> nn.Module:
    """Return a module as it is sampled from, whose parameters are moved a little: a last layer may begin with zeros."""
    torch.manual_seed(0)
    module = network.build(shape[0], shape[-1], classes)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return module.eval()


def _inputs(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(4, *shape, generator=generator), torch.rand(4, generator=generator)


def answers_in_the_inputs_shape(network: Network) -> str | None:
    """The output is finite, float32 and of x_t's shape."""
    for shape in SHAPES:
        x, time = _inputs(shape)
        with torch.no_grad():
            y = _built(network, shape)(x, time)
        if y.shape != x.shape or y.dtype != torch.float32:
            return f"{y.dtype} of shape {tuple(y.shape)} for x_t of shape {tuple(x.shape)}"
        if not y.isfinite().all():
            return "values that are not finite"
    return None


def sees_the_time(network: Network) -> str | None:
    """The output depends on t / T."""
    (x, time), module = _inputs(SHAPES[0]), _built(network, SHAPES[0])
    with torch.no_grad():
        changed = (module(x, time) - module(x, time.flip(0))).abs().amax((1, 2, 3))
    return None if (changed > 1e-6).all() else "the same output at another time"


def sees_each_image_alone(network: Network) -> str | None:
    """The output for an image does not depend on the rest of the batch."""
    (x, time), module = _inputs(SHAPES[0]), _built(network, SHAPES[0])
    with torch.no_grad():
        together = module(x, time)
        alone = torch.cat([module(x[k : k + 1], time[k : k + 1]) for k in range(len(x))])
    if torch.allclose(alone, together, rtol=1e-3, atol=1e-4):
        return None
    return "another output in a batch; no image may see the others, when the network is in eval mode"


def sees_the_label(network: Network) -> str | None:
    """With classes, the output depends on the label, and label `classes` means unknown."""
    (x, time), module = _inputs(SHAPES[0]), _built(network, SHAPES[0], CLASSES)
    with torch.no_grad():
        answers = [module(x, time, torch.full((len(x),), label)) for label in range(CLASSES + 1)]
    changed = [(answer - answers[0]).abs().max() > 1e-6 for answer in answers[1:]]
    return None if all(changed) else "the same output for another label"


def learns_with_all_parameters(network: Network) -> str | None:
    """Each parameter has a gradient, with classes and without."""
    for classes in (0, CLASSES):
        (x, time), module = _inputs(SHAPES[0]), _built(network, SHAPES[0], classes).train()
        label = (torch.arange(len(x)).clamp(max=classes),) if classes else ()
        (module(x, time, *label) * torch.randn(x.shape)).sum().backward()
        without = [name for name, parameter in module.named_parameters() if parameter.grad is None]
        if without:
            return f"none for {without[0]} of a network that knows {classes or 'no'} classes"
    return None


class _Oracle(nn.Module):
    """A network that knows x0, and notes at which times it is asked."""

    def __init__(self, x0: Tensor) -> None:
        super().__init__()
        self.x0, self.times = x0, list[float]()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        self.times += time.unique().tolist()
        return self.x0


def _sampled(sampler: Sampler) -> tuple[_Oracle, list[Tensor]]:
    """Return a network that knows x0, and what a sampler yields with it."""
    given, degradation = source(), _last(sampler.last)
    x0 = given.images(N)
    oracle = _Oracle(x0)
    diffusion = Diffusion(ALPHA_BAR, degradation, oracle, "x0", given.pixels)
    z = degradation.draw(x0, given)
    x_T = degradation(x0, diffusion.step(torch.full((N,), T)), z)
    with torch.inference_mode():
        return oracle, list(sampler(diffusion, x_T, z, strided(T, STEPS), given))


def _last(needed: type) -> Degradation:
    """Return a degradation of a class that a sampler or a target is for."""
    if issubclass(Gaussian, needed):
        return Gaussian()
    return Flow() if issubclass(Flow, needed) else needed()


def ends_with_x0(sampler: Sampler) -> str | None:
    """With a network that knows x0, the last x_t is x0."""
    oracle, path = _sampled(sampler)
    if not path or path[-1].shape != oracle.x0.shape:
        return f"a last x_t of shape {tuple(path[-1].shape)}" if path else "no x_t"
    away = (path[-1] - oracle.x0).abs().max().item()
    return None if away < 1e-3 else f"an image that differs by up to {away:.3g}"


def takes_the_given_steps(sampler: Sampler) -> str | None:
    """One x_t is yielded for each step, and the network is asked at these steps alone, as often as `calls` says."""
    oracle, path = _sampled(sampler)
    times = strided(T, STEPS)
    if len(path) != STEPS:
        return f"{len(path)} x_t for {STEPS} steps"
    asked = {round(time * T) for time in oracle.times}
    if strange := sorted(asked - set(times)):
        return f"a call at t={strange[0]}, which is none of {', '.join(map(str, times))}"
    most = 1 + (STEPS - 1) * sampler.calls
    return None if len(oracle.times) <= most else f"{len(oracle.times)} calls, more than calls={sampler.calls} allows"


def _asked(target: Target) -> tuple[Tensor, Tensor, Tensor, Step]:
    """Return x_t, y, z and the step of images degraded by what a target is for."""
    given, degradation = source(), _last(target.last)
    y, step = given.images(N), _steps(torch.tensor([1, 3, 9, 14, 20, 24]))
    z = degradation.draw(y, given)
    return degradation(y, step, z), y, z, step.over(y)


def is_solved(target: Target) -> str | None:
    """solve(x_t, answer(y, z, step), step) is y."""
    x_t, y, z, step = _asked(target)
    away = (target.solve(x_t, target.answer(y, z, step), step) - y).abs().max().item()
    return None if away < 1e-3 else f"an image that differs by up to {away:.3g}"


def gains_what_it_says(target: Target) -> str | None:
    """gain(step) is the squared error of y over that of the answer."""
    x_t, y, z, step = _asked(target)
    answer = target.answer(y, z, step)
    error = (target.solve(x_t, answer + 0.1, step) - target.solve(x_t, answer, step)) / 0.1
    found, said = (error**2).mean((1, 2, 3)), target.gain(step).expand(N, 1, 1, 1).flatten()
    if torch.allclose(found, said, rtol=0.02, atol=1e-4):
        return None
    worst = (found - said).abs().argmax()
    return f"{said[worst]:.3g}, where it is {found[worst]:.3g}"


LAWS: Mapping[str, tuple[Law, ...]] = {
    "schedule": (has_an_entry_a_step, begins_with_the_image, never_increases),
    "degradation": (
        *(leaves_the_clean_image, is_pure, keeps_shape_and_type, is_batched, draws_from_the_source),
        *(has_a_prior_to_sample_from, is_solved_for_z),
    ),
    "network": (
        *(answers_in_the_inputs_shape, sees_the_time, sees_each_image_alone, sees_the_label),
        learns_with_all_parameters,
    ),
    "sampler": (ends_with_x0, takes_the_given_steps),
    "target": (is_solved, gains_what_it_says),
}


def broken(family: str, part: Any, told: Callable[[Exception], str]) -> Iterator[tuple[str, str | None]]:
    """Yield what each law of a family expects, and what came in its place; None where the part obeys.

    `told` puts an error of the part into words.
    """
    for law in LAWS.get(family, ()):
        expected = str(law.__doc__).rstrip(".")
        try:
            yield expected, law(part)
        except Exception as error:  # the part's own code may raise anything
            yield expected, told(error)
