"""The laws of parts: the project's own obey all of them, and each law finds a part that breaks it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
import torch
from torch import Tensor, nn

from tests.helpers.diffusion import degradation_of
from trainables import check, laws
from trainables.diffusion.degradations import Degradation, Gaussian
from trainables.diffusion.samplers import Sampler
from trainables.diffusion.schedules import Schedule
from trainables.diffusion.targets import TARGETS
from trainables.domain import Choice, Int, Log, domains
from trainables.laws import LAWS, Law
from trainables.networks import Network
from trainables.parts import BASES, FAMILIES, uninstall

CASES = [(family, name, law) for family in LAWS for name in FAMILIES[family] for law in LAWS[family]]
COMPOSITIONS = ("mask+contrast+gaussian", "morph+noise", "average+snow", "elastic+blur+noise")


@pytest.mark.parametrize(("family", "name", "law"), CASES, ids=[f"{f}-{n}-{law.__name__}" for f, n, law in CASES])
def test_every_part_of_the_project_obeys(family: str, name: str, law: Law) -> None:
    member = FAMILIES[family][name]
    assert law(member() if family in BASES else member) is None


@pytest.mark.parametrize("law", LAWS["degradation"])
@pytest.mark.parametrize("kind", COMPOSITIONS)
def test_a_composition_of_degradations_obeys_too(kind: str, law: Law) -> None:
    assert law(degradation_of(kind)) is None


@dataclass(frozen=True)
class BadSchedule(Schedule):
    fault: Annotated[str, Choice("none", "short", "rising", "zero")] = "none"

    def shares(self) -> Tensor:
        return 1 - self._times()[1:]

    def alpha_bar(self) -> Tensor:
        found = super().alpha_bar()
        if self.fault == "short":
            return found[1:]
        return {"none": found, "rising": found.flip(0), "zero": found * 0 + torch.linspace(1, -0.1, len(found))}[
            self.fault
        ]


@dataclass(frozen=True)
class BadDegradation(Degradation):
    fault: Annotated[str, Choice("clean", "impure", "changes", "type", "batch", "draw", "prior", "z", "estimate")] = (
        "clean"
    )

    def draw(self, x0: Tensor, source: Any) -> Tensor:
        return torch.randn(len(x0), 1, 1, 1) if self.fault == "draw" else source.normal(torch.Size((len(x0), 1, 1, 1)))

    def __call__(self, x0: Tensor, step: Any, z: Tensor) -> Tensor:
        sigma = step.over(x0).sigma
        if self.fault == "impure":
            return x0 + sigma * torch.randn_like(x0)
        if self.fault == "changes":
            return x0.mul_(1 - sigma)
        if self.fault == "batch":
            return (x0 + sigma.mean() * z).to(x0.dtype)
        if self.fault == "type":
            return x0.float() + sigma * z
        return (x0 + (sigma + 1 if self.fault == "clean" else sigma) * z).to(x0.dtype)

    def prior(self, shape: torch.Size, step: Any, source: Any) -> tuple[Tensor, Any]:
        x_T = torch.zeros(shape)
        if self.fault == "prior":
            return x_T[:, :, 1:], self.draw(x_T, source)
        if self.fault == "draw":
            return torch.randn(shape), self.draw(x_T, source)
        return x_T, source.normal(torch.Size((5, *shape))) if self.fault == "z" else self.draw(x_T, source)

    def estimate(self, x_t: Tensor, x0: Tensor, step: Any, z: Tensor) -> Tensor:
        return z + 1 if self.fault == "estimate" else z


class BadModule(nn.Module):
    def __init__(self, fault: str, channels: int) -> None:
        super().__init__()
        self.fault, self.conv = fault, nn.Conv2d(channels, channels, 3, padding=0 if fault == "shape" else 1)
        self.unused = nn.Linear(1, 1)

    def forward(self, x: Tensor, time: Tensor, *label: Tensor) -> Tensor:
        y = self.conv(x)
        y = y - y.mean(0) if self.fault == "batch" else y
        y = y if self.fault == "time" else y + time[:, None, None, None]
        y = y + self.unused(time[:, None])[:, :, None, None] if self.fault in ("label", "time and label") else y
        return y


@dataclass(frozen=True)
class BadNetwork(Network):
    fault: Annotated[str, Choice("shape", "time", "batch", "label", "unused", "unused with classes")] = "shape"

    def build(self, channels: int, size: int, classes: int = 0) -> nn.Module:
        fault = "label" if self.fault == "unused with classes" and not classes else self.fault
        return BadModule(fault, channels)


def stops_early(diffusion: Any, x_T: Tensor, z: Any, times: list[int], source: Any) -> Any:
    yield x_T


def jumps(diffusion: Any, x_T: Tensor, z: Any, times: list[int], source: Any) -> Any:
    yield diffusion.restore(x_T, torch.full((len(x_T),), diffusion.T))


def dense(diffusion: Any, x_T: Tensor, z: Any, times: list[int], source: Any) -> Any:
    for t in range(diffusion.T, 0, -1):
        x_T = diffusion.restore(x_T, torch.full((len(x_T),), t))
        if t in times:
            yield x_T


class BadTarget(type(TARGETS["eps"])):  # type: ignore[misc]
    def solve(self, x_t: Tensor, answer: Tensor, step: Any) -> Tensor:
        return x_t - answer

    def gain(self, step: Any) -> Tensor:
        return 2 * torch.ones_like(step.sigma)


class Regular(nn.Module):
    """Dropout and batch normalisation, both off when a network is sampled from."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.Dropout())

    def forward(self, x: Tensor, time: Tensor, *label: Tensor) -> Tensor:
        return self.layers(x) + sum(part[:, None, None, None] for part in (time, *label))


@dataclass(frozen=True)
class RegularNetwork(Network):
    def build(self, channels: int, size: int, classes: int = 0) -> nn.Module:
        return Regular(channels)


@pytest.mark.parametrize("law", LAWS["network"])
def test_dropout_and_batch_normalisation_break_no_law(law: Law) -> None:
    assert law(RegularNetwork()) is None


BROKEN: list[tuple[Callable[[Any], str | None], Any]] = [
    (laws.has_an_entry_a_step, BadSchedule(fault="short")),
    (laws.begins_with_the_image, BadSchedule(fault="rising")),
    (laws.never_increases, BadSchedule(fault="rising")),
    (laws.never_increases, BadSchedule(fault="zero")),
    (laws.leaves_the_clean_image, BadDegradation("clean")),
    (laws.is_pure, BadDegradation("impure")),
    (laws.is_pure, BadDegradation("changes")),
    (laws.keeps_shape_and_type, BadDegradation("type")),
    (laws.is_batched, BadDegradation("batch")),
    (laws.draws_from_the_source, BadDegradation("draw")),
    (laws.has_a_prior_to_sample_from, BadDegradation("draw")),
    (laws.has_a_prior_to_sample_from, BadDegradation("prior")),
    (laws.has_a_prior_to_sample_from, BadDegradation("z")),
    (laws.is_solved_for_z, BadDegradation("estimate")),
    (laws.answers_in_the_inputs_shape, BadNetwork("shape")),
    (laws.sees_the_time, BadNetwork("time")),
    (laws.sees_each_image_alone, BadNetwork("batch")),
    (laws.sees_the_label, BadNetwork("label")),
    (laws.learns_with_all_parameters, BadNetwork("unused")),
    (laws.learns_with_all_parameters, BadNetwork("unused with classes")),
    (laws.ends_with_x0, Sampler(stops_early, last=Gaussian)),
    (laws.takes_the_given_steps, Sampler(jumps, last=Gaussian)),
    (laws.takes_the_given_steps, Sampler(dense, last=Gaussian)),
    (laws.is_solved, BadTarget()),
    (laws.gains_what_it_says, BadTarget()),
]


@pytest.mark.parametrize(("law", "part"), BROKEN, ids=[law.__name__ for law, _ in BROKEN])
def test_a_part_that_breaks_a_law_is_found(law: Law, part: Any) -> None:
    assert law(part)


def test_every_law_can_be_broken() -> None:
    assert {law for family in LAWS.values() for law in family} == {law for law, _ in BROKEN}


@dataclass(frozen=True)
class OftenBad(BadSchedule):
    """Fine with its default, and in none of its other fields."""

    steps: Annotated[int, Int(10, 20)] = 10
    share: Annotated[float, Log(0.01, 1)] = 0.5


def test_values_of_the_fields_are_drawn_from_their_domains() -> None:
    first, *others = check.values_of(OftenBad)
    assert first == {}
    assert len(others) == check.DRAWS
    assert {values["fault"] for values in others} == {"none", "short", "rising", "zero"}
    for values in others:
        OftenBad(**values)
        for name, domain in domains(OftenBad).items():
            if name in values:
                domain.check(name, values[name])
    assert list(check.values_of(Gaussian)) == [{}]


def test_a_part_that_is_fine_with_its_defaults_only_is_found_with_the_values(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text("""
from dataclasses import dataclass
from typing import Annotated

from torch import nn

from trainables.domain import ConfigError, Int
from trainables.networks import CNN, NETWORKS


@dataclass(frozen=True)
class Grouped(CNN):
    width: Annotated[int, Int(4, 64)] = 32

    def build(self, channels, size, classes=0):
        nn.GroupNorm(4, self.width)
        return CNN().build(channels, size, classes)


@dataclass(frozen=True)
class Careful(Grouped):
    def __post_init__(self):
        if self.width % 4:
            raise ConfigError("width is no multiple of 4")


NETWORKS["grouped"], NETWORKS["careful"] = Grouped, Careful
""")
    try:
        assert check.main([str(tmp_path / "mine.py")]) == 1
        lines = capsys.readouterr().out.splitlines()
    finally:
        uninstall()
    assert len(lines) == 2 * len(LAWS["network"])
    for line in lines:
        if line.startswith("network careful: "):
            assert line.startswith("network careful: passed: ")
        else:
            assert "network grouped: BROKEN: " in line
            assert re.search(r"; with .*width=\d+.* there came ValueError: num_channels", line)


def test_the_command_says_what_was_expected_and_what_came(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.py").write_text("""
from dataclasses import dataclass

from trainables.diffusion.degradations import DEGRADATIONS, Gaussian
from trainables.networks import CNN, NETWORKS


@dataclass(frozen=True)
class Loud(Gaussian):
    def __call__(self, x0, step, z):
        return x0 + 1


@dataclass(frozen=True)
class Fails(CNN):
    def build(self, channels, size, classes=0):
        raise KeyError("width")


DEGRADATIONS["loud"], NETWORKS["fails"] = Loud, Fails
""")
    try:
        assert check.main([str(tmp_path / "mine.py")]) == 1
        printed = capsys.readouterr().out
        assert "degradation loud: passed: D called twice gives the same" in printed
        assert "degradation loud: BROKEN: D(x0, step 0, z) is x0 itself; there came a difference of up to 1" in printed
        assert (
            "network fails: BROKEN: The output depends on t / T; there came KeyError: 'width' (mine.py, line "
            in printed
        )
        (tmp_path / "mine.py").write_text("""
from trainables.diffusion.degradations import Degradation
from trainables.diffusion.process import LOSSES, WEIGHTS, Weight
from trainables.diffusion.times import TIMES

LOSSES["mine"] = lambda prediction, answer: (prediction - answer).flatten(1).mean(1)
WEIGHTS["mine"] = Weight(lambda diffusion, t: t, last=Degradation)
TIMES["mine"] = TIMES["uniform"]
""")
        assert check.main([str(tmp_path / "mine.py")]) == 0
        assert sorted(capsys.readouterr().out.splitlines()) == [
            "loss mine: not checked: there are no laws of losses",
            "times mine: not checked: there are no laws of times",
            "weight mine: not checked: there are no laws of weights",
        ]
        (tmp_path / "mine.py").write_text("x = 1")
        assert check.main([str(tmp_path / "mine.py")]) == 0
        assert capsys.readouterr().out.startswith("mine.py defines no part: a line such as NETWORKS[")
        assert check.main([str(tmp_path / "nothing.py")]) == 2
        assert capsys.readouterr().err.startswith("trainables.check: ")
    finally:
        uninstall()
