"""Spaces: short, titled, and valid wherever a trial may land; baselines with the very numbers of the literature."""

import importlib
import itertools
import math
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import optuna
import pytest
import torch
from torch import nn

import spaces
from search.space.fake_trial import FakeTrial
from search.space.load import load
from spaces import schedules
from spaces.baselines import BASELINES, Provenance
from spaces.kinds import follows_schedule, has_prior, samplers_for
from spaces.suggest import ONLY, suggest, suggest_kind
from tests.helpers.diffusion import ALPHA_BAR, T, degradation_of
from trainables.config import FAMILIES, Sampling, Variant, domain_of
from trainables.data.folds import COUNT
from trainables.diffusion.degradations import DEGRADATIONS
from trainables.diffusion.process import Diffusion, last_part
from trainables.diffusion.samplers import SAMPLERS, strided
from trainables.diffusion.schedules import Cosine, UniformSigma, step_at
from trainables.diffusion.source import PIXELS
from trainables.domain import Choice, ConfigError, Domain, Uniform, Widths, domains
from trainables.laws import source
from trainables.networks import ACTIVATIONS

optuna.logging.set_verbosity(optuna.logging.ERROR)

MODULES = {name: importlib.import_module(f"spaces.{name}") for _, name, _ in pkgutil.iter_modules(spaces.__path__)}
SPACES = {name: module for name, module in MODULES.items() if hasattr(module, "space")}


def ask(module: ModuleType, study: optuna.Study) -> tuple[optuna.Trial, dict[str, Any]]:
    """Return a trial and the whole flat point that the space makes of it."""
    trial = study.ask()
    constants = module.space(trial)
    assert not set(constants) & set(trial.params), "a constant must not also be suggested"
    return trial, {**trial.params, **constants}


def random_study(seed: int = 0) -> optuna.Study:
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))


@pytest.mark.parametrize("name", SPACES)
def test_a_space_is_a_short_file_with_a_title(name: str) -> None:
    text = Path(str(SPACES[name].__file__)).read_text()
    assert len(text.splitlines()) < 55
    title = str(SPACES[name].__doc__).splitlines()[0]
    assert title.endswith((".", ";", ":"))
    assert len(title) <= 120
    assert SPACES[name].space.__doc__


@pytest.mark.parametrize("name", SPACES)
def test_its_baselines_are_known_and_none_is_named_twice(name: str) -> None:
    baselines = SPACES[name].BASELINES
    assert baselines or SPACES[name].SAMPLES_ONLY
    assert set(baselines) <= set(BASELINES)
    assert len(set(baselines)) == len(baselines)


@pytest.mark.parametrize("name", SPACES)
def test_a_hundred_random_trials_are_valid_variants_that_can_be_trained(name: str) -> None:
    study = random_study()
    for _ in range(100):
        _, flat = ask(SPACES[name], study)
        variant = Variant.from_flat(flat)
        variant.require_trainable()
        assert variant.flat().items() >= flat.items()


def test_the_corners_of_the_schedules_with_noise_as_the_target_can_be_trained() -> None:
    for kind, fields in schedules.SEARCHED.items():
        ends = [(f"schedule/{kind}/{field}", ends_of(f"schedule/{kind}/{field}", own)) for field, own in fields.items()]
        for values in itertools.product(*(pair for _, pair in ends)):
            flat = dict(zip((name for name, _ in ends), values, strict=True))
            if kind not in schedules.WITHOUT_SIGNAL:
                Variant.from_flat({"schedule/kind": kind, "training/target": "eps", **flat}).require_trainable()


def ends_of(name: str, given: Domain | None) -> tuple[float, float]:
    domain = given or domain_of(name)
    assert isinstance(domain, Uniform)
    return domain.low, domain.high


@pytest.mark.parametrize("name", SPACES)
def test_random_trials_differ_and_reach_every_option(name: str) -> None:
    study, seen = random_study(), set()
    options: dict[str, set[Any]] = {}
    sizes: dict[str, float] = {}
    for _ in range(300):
        trial, flat = ask(SPACES[name], study)
        seen.add(str(sorted(flat.items())))
        for field, distribution in trial.distributions.items():
            sizes[field] = math.inf
            if isinstance(distribution, optuna.distributions.CategoricalDistribution):
                sizes[field] = len(distribution.choices)
                options.setdefault(field, set(distribution.choices)).discard(flat[field])
    assert len(seen) > 0.8 * min(300, math.prod(sizes.values()))
    assert not any(options.values()), options


@pytest.mark.parametrize("name", SPACES)
def test_what_is_suggested_lies_in_the_fields_own_domain(name: str) -> None:
    """At its ends too, so that no rare draw ends a search."""
    study = random_study()
    for _ in range(50):
        trial, _ = ask(SPACES[name], study)
        for field, distribution in trial.distributions.items():
            own = domain_of(field)
            if isinstance(distribution, optuna.distributions.CategoricalDistribution):
                assert [own.check(field, choice) for choice in distribution.choices] == list(distribution.choices)
            else:
                assert isinstance(
                    distribution, optuna.distributions.FloatDistribution | optuna.distributions.IntDistribution
                )
                own.check(field, distribution.low)
                own.check(field, distribution.high)


@pytest.mark.parametrize("name", SPACES)
def test_its_starting_points_lie_in_the_space_and_are_valid(name: str) -> None:
    starts = getattr(SPACES[name], "STARTS", ())
    assert len({str(sorted(start.items())) for start in starts}) == len(starts)
    for start in starts:
        study = random_study()
        study.enqueue_trial(start)
        trial, flat = ask(SPACES[name], study)
        assert {field: trial.params.get(field) for field in start} == start
        Variant.from_flat(flat)


@pytest.mark.parametrize("name", SPACES)
def test_a_space_is_a_function_of_the_trial_alone(name: str) -> None:
    study = random_study(3)
    for _ in range(5):
        trial, flat = ask(SPACES[name], study)
        fixed = optuna.trial.FixedTrial(trial.params)
        constants = SPACES[name].space(fixed)
        assert {**fixed.params, **constants} == flat


@pytest.mark.parametrize("name", ["degradations", "quality", "everything"])
def test_a_starting_point_leaves_nothing_to_chance(name: str) -> None:
    for start in SPACES[name].STARTS:
        study = random_study()
        study.enqueue_trial(start)
        assert ask(SPACES[name], study)[0].params == start


@pytest.mark.parametrize(
    ("name", "conditioning", "guided"),
    [("quality", "none", False), ("samplers", "class", True), ("samplers", "cluster", True), ("samplers", "", False)],
)
def test_guidance_is_suggested_only_to_networks_that_are_told_labels(
    name: str, conditioning: str, guided: bool
) -> None:
    fixed = {"network.conditioning": conditioning} if conditioning else {}
    assert ("sampler/guidance" in load(name, fixed).names) == guided


@pytest.mark.parametrize("name", SPACES)
def test_the_plain_default_of_a_space_has_the_default_of_all_that_it_asks_for(name: str) -> None:
    space, defaults = load(name, {}), Variant.from_flat({}).flat()
    if space.default is not None:  # what it searches has the default in it
        answers = space.answers_for(space.default)
        assert answers
        assert {field: defaults[field] for field in answers if field in defaults} == answers


@pytest.mark.parametrize("name", ["degradations", "networks", "folds"])
def test_a_space_that_tries_its_plain_default_has_it_among_its_starting_points(name: str) -> None:
    space = load(name, {})
    drawn = [found[1] for start in space.starts if (found := space.nearest(start))]
    assert space.default in drawn


def test_the_degradations_space_starts_with_every_degradation() -> None:
    starts = [start for start in SPACES["degradations"].STARTS if start["network/conditioning"] == "class"]
    kinds = [str(start["degradation/kind"]).partition("+")[0] for start in starts]
    assert set(kinds) == set(DEGRADATIONS) - {"noise"}


def test_the_activations_space_starts_with_every_activation() -> None:
    tried = {value for start in SPACES["activations"].STARTS for value in start.values()}
    assert tried >= set(ACTIVATIONS)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_kind_is_suggested_with_every_field_that_has_a_range(family: str) -> None:
    for kind, member in FAMILIES[family].items():
        study = random_study()
        trial = study.ask()
        if any(isinstance(domain, Widths) for domain in domains(member).values()):
            with pytest.raises(TypeError, match=r"(widths|mults): give the Choice"):
                suggest_kind(trial, family, [kind])
            continue
        assert suggest_kind(trial, family, [kind]) == kind
        searched = {f"{family}/{kind}/{name}" for name in domains(member)}
        assert searched - set(ONLY) <= set(trial.params) - {f"{family}/kind"} <= searched


def test_one_order_for_all_images_is_suggested_for_a_random_order_alone() -> None:
    study, shared, orders = random_study(), "degradation/average/shared", set()
    for _ in range(20):
        trial = study.ask()
        suggest_kind(trial, "degradation", ["average"])
        orders.add(trial.params["degradation/average/order"])
        assert (shared in trial.params) == (trial.params["degradation/average/order"] == "random")
    assert len(orders) == 3


def degraded(kind: str, alpha_bar: torch.Tensor) -> torch.Tensor:
    """Images that a kind of degradation with a schedule makes of others."""
    given, degradation = source(), degradation_of(kind)
    x0 = given.images(2)
    return degradation(x0, step_at(alpha_bar, torch.tensor([3, 9])), degradation.draw(x0, given))


@pytest.mark.parametrize("kind", [*DEGRADATIONS, "mask+contrast", "mask+noise"])
def test_what_follows_the_schedule_changes_with_it(kind: str) -> None:
    images = [degraded(kind, schedule(T=20).alpha_bar().float()) for schedule in (Cosine, UniformSigma)]
    assert torch.equal(*images) is not follows_schedule(kind)


def test_a_degradation_without_a_prior_of_its_own_has_the_fitted_one() -> None:
    kinds = ("mask", "mask+noise", "blur", "mask+gaussian")
    assert [kind for kind in kinds if has_prior(kind)] == ["blur", "mask+gaussian"]


def sampled(sampler: str, kind: str) -> torch.Tensor:
    """What a sampler makes of a network that scales its input and adds an image."""
    given, degradation = source(seed=3), degradation_of(kind)
    diffusion = Diffusion(ALPHA_BAR, degradation, Scales(), "x0", PIXELS["-1..1"])
    with torch.no_grad():
        x_T, z = degradation.prior(torch.Size((2, 1, 28, 28)), diffusion.step(torch.full((2,), T)), given)
        return list(SAMPLERS[sampler](diffusion, x_T, z, strided(T, 7), given))[-1]


class Scales(nn.Module):
    def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        return 0.3 * x + torch.linspace(-0.5, 0.5, x.numel()).view_as(x)


@pytest.mark.parametrize("kind", [*DEGRADATIONS, "mask+gaussian", "mask+flow", "mask+noise", "blur+pixelate"])
def test_of_samplers_that_do_the_same_one_is_searched(kind: str) -> None:
    """Whatever fits is there, under this name or another, and no two samplers that are searched do the same."""
    fitting = [name for name in SAMPLERS if isinstance(last_part(degradation_of(kind)), SAMPLERS[name].last)]
    results, searched = {name: sampled(name, kind) for name in fitting}, samplers_for(kind, "x0")
    for name in fitting:
        alike = [other for other in searched if torch.allclose(results[other], results[name], rtol=0, atol=1e-4)]
        assert len(alike) == 1, name


def test_a_composition_is_suggested_with_the_fields_of_all_its_parts() -> None:
    trial = random_study().ask()
    assert suggest_kind(trial, "degradation", ["mask+contrast"]) == "mask+contrast"
    parts = {part for part in trial.params if part != "degradation/kind"}
    assert {part.rpartition("/")[0] for part in parts} == {"degradation/mask", "degradation/contrast"}


def test_an_unknown_field_cannot_be_suggested() -> None:
    with pytest.raises(ConfigError, match=r"^unknown field training/rate: "):
        suggest(random_study().ask(), "training/rate")
    assert suggest(random_study().ask(), "training/batch", Choice(32)) == 32


# The literature's table, row by row, with what the rows share written once.
STARTER = {
    "pixels": "-0.5..0.5",
    "degradation/kind": "gaussian",
    "network/kind": "cnn",
    "network/cnn/widths": "16-32-32-16",
    "network/cnn/kernel": 7,
    "network/cnn/activation": "gelu",
    "network/cnn/norm": "image",
    "network/cnn/patch": 1,
    "training/target": "eps",
    "training/loss": "l2",
    "training/optimizer": "adam",
    "training/lr": 2e-4,
    "training/lr_decay": "none",
    "training/warmup": 0,
    "training/weight_decay": 0.0,
    "training/batch": 128,
    "training/drop_last": True,
    "training/ema": 0.0,
    "training/weight": "uniform",
    "training/split": "none",
    "training/fold": 0,
    "training/patience": 0,
    "training/keep_best": False,
    "training/validated": 64,
    "training/beta2": 0.999,
    "training/average": 0.1,  # without effect beside ema 0
    "training/times": "uniform",
    "training/times_mean": 0.0,
    "training/label_drop": 0.1,  # without effect on a network that knows no labels
    "network/conditioning": "none",
    "network/clusters": 100,  # without effect on a network that is told nothing
    "sampler/kind": "ancestral_large",
    "sampler/prior": "own",
    "sampler/clip": False,
    "training/clip_grad": 0.0,
    "training/flip": False,
    "sampler/spacing": 1.0,
    "sampler/eta": 0.0,
    "sampler/guidance": 0.0,
    "sampler/guidance_low": 0.2,
    "sampler/guidance_high": 0.8,
}


def linear(beta_start: float, beta_end: float, T: int) -> dict[str, Any]:
    return {
        "schedule/kind": "linear",
        "schedule/linear/beta_start": beta_start,
        "schedule/linear/beta_end": beta_end,
        "schedule/linear/from_zero": True,
        "schedule/linear/T": T,
    }


def constant(beta: float, T: int) -> dict[str, Any]:
    return {
        "schedule/kind": "constant",
        "schedule/constant/beta": beta,
        "schedule/constant/from_zero": True,
        "schedule/constant/T": T,
    }


USUAL = linear(1e-4, 0.02, 1000)
MASK = {"degradation/mask/count": 5, "degradation/mask/growth": 0.25}
CONTRAST = {"degradation/contrast/start": 0.5, "degradation/contrast/growth": 0.5}
SIDDIQUEI = {"network/cnn/widths": "16-32-64-32-16", "pixels": "0..1"}
COLD = {"training/target": "x0", "sampler/kind": "cold2_x0"}
GRIVOT = {
    "schedule/kind": "logistic",
    "schedule/logistic/low": -4.0,
    "schedule/logistic/high": 6.0,
    "schedule/logistic/T": 1000,
    "network/cnn/widths": "16-32-64-32-16",
    **COLD,
    "training/lr": 1e-4,
    "training/weight_decay": 1e-5,
    "training/lr_decay": "plateau",
}
JAIN = {
    "training/split": "80:20",
    "training/drop_last": False,
    "training/keep_best": True,
    "training/validated": 1000,
}


def cosine(T: int) -> dict[str, Any]:
    return {
        "schedule/kind": "cosine",
        "schedule/cosine/s": 0.008,
        "schedule/cosine/beta_max": 0.9,
        "schedule/cosine/T": T,
    }


CONVNEXT = {
    "network/kind": "convnext_unet",
    "network/convnext_unet/dim": 32,
    "network/convnext_unet/mults": "1-2-4",
    "network/convnext_unet/attention": "linear",
    "network/convnext_unet/activation": "gelu",
    "network/convnext_unet/patch": 1,
}
BLURRED = {
    **COLD,
    "sampler/kind": "cold2",  # Jain's last step is that of the algorithm
    "degradation/kind": "blur",
    "degradation/blur/sigma": 10.0,
}
ROWS = {
    **COLD,
    "degradation/kind": "average",
    "degradation/average/order": "random",
    "degradation/average/shared": True,
    "degradation/average/axis": "rows",
}
FRUITS = {
    "network/kind": "fruits_unet",
    "network/fruits_unet/widths": "32-64-128-128",
    "network/fruits_unet/attention": True,
    "network/fruits_unet/activation": "gelu",
    "network/fruits_unet/patch": 1,
}

LITERATURE: dict[str, dict[str, Any]] = {
    "A0": USUAL,
    "A2": {
        **linear(0.001, 0.015, 1000),
        "network/cnn/widths": "32-64-128-64-32",
        "network/cnn/activation": "leaky_relu",
        "training/lr": 5e-4,
    },
    "A3": {
        **linear(0.0005, 0.02, 1000),
        "network/cnn/widths": "64-96-96-64",
        "network/cnn/activation": "elu",
        "training/lr": 3e-4,
    },
    "A4": {**USUAL, "degradation/kind": "mask+contrast+gaussian", **MASK, **CONTRAST},
    "A5": {**USUAL, "degradation/kind": "contrast+gaussian", **CONTRAST},
    "A6": {**GRIVOT, "degradation/kind": "pseudo_qr", "degradation/pseudo_qr/block": 1},
    # He gives no numbers for these two.
    "A7": {
        **GRIVOT,
        "degradation/kind": "elastic",
        "degradation/elastic/alpha": 150.0,
        "degradation/elastic/sigma": 4.0,
    },
    "A7q": {**GRIVOT, "degradation/kind": "qr", "degradation/qr/version": 1},
    "B0": {**USUAL, **SIDDIQUEI},
    "B1": {**linear(1e-4, 0.1, 200), **SIDDIQUEI},
    "B2": {**linear(1e-4, 0.004, 5000), **SIDDIQUEI},
    "B3": {**USUAL, **SIDDIQUEI, **COLD, "degradation/kind": "morph"},
    "C1": {**JAIN, **constant(0.001, 2000)},
    "C2": {**JAIN, **constant(0.1, 200)},
    "C3": {**JAIN, **cosine(1000), **CONVNEXT},
    "C4": {**JAIN, **cosine(100), **CONVNEXT, **BLURRED},
    "D1": USUAL,
    "D2": {**linear(1e-4, 0.02, 1500), "training/lr": 4e-4},
    "D3": {**linear(1e-4, 0.02, 28), **ROWS},
    "D3r": {**linear(1e-4, 0.02, 28), **ROWS, "sampler/prior": "degraded"},
    "D3c": {
        **linear(1e-4, 0.02, 28),
        **ROWS,
        "degradation/average/axis": "columns",
        "sampler/prior": "degraded",
    },
    "D3g": {**linear(1e-4, 0.02, 7), **ROWS, "sampler/prior": "degraded"},
    "F": {
        **linear(0.001, 0.019981, 1000),  # the 1,000th of numbers that reach 0.02 as the 1,001st
        "schedule/linear/from_zero": False,
        **FRUITS,
        "pixels": "-1..1",
        "training/target": "scaled_eps",
        "training/weight": "inverse_beta",
        "training/weight_decay": 1e-6,
        "training/batch": 64,
        "training/drop_last": False,
        "training/split": "5-fold-grouped",
        "training/patience": 5,
        "training/keep_best": True,
        "training/validated": 1000,
        "sampler/kind": "renoise",
    },
}


def test_the_first_five_trials_of_folds_hold_out_each_fold_once_and_are_row_f() -> None:
    for split in ("5-fold-grouped", "5-fold-leaking"):
        space = load("folds", {"training.split": split})
        queue = space.queue()[:COUNT]
        drawn = [space.draw(FakeTrial(answers)) for baseline, answers in queue if not baseline]
        assert [flat.pop("training/fold") for flat in drawn] == list(range(COUNT))
        row = {**BASELINES["F"].variant, "training/split": split}
        assert all(flat == {n: value for n, value in row.items() if n != "training/fold"} for flat in drawn)


def test_every_baseline_is_a_row_of_the_literature() -> None:
    assert set(BASELINES) == set(LITERATURE)


@pytest.mark.parametrize("name", LITERATURE)
def test_a_baseline_has_exactly_the_literatures_numbers(name: str) -> None:
    """Complete: only the number format is the project's own choice, and that images are sampled from every step."""
    found = dict(BASELINES[name].exact)
    expected = {**STARTER, **LITERATURE[name]}
    expected = {n: v for n, v in expected.items() if "/cnn/" not in n or expected["network/kind"] == "cnn"}
    expected["sampler/steps"] = next(value for field, value in expected.items() if field.endswith("/T"))
    assert found.pop("training/precision") == "auto"
    assert found.pop(f"schedule/{found['schedule/kind']}/zero_snr") is False
    assert found == expected


@pytest.mark.parametrize("name", BASELINES)
def test_a_search_changes_nothing_of_a_baseline_but_how_it_is_sampled(name: str) -> None:
    searched, exact = BASELINES[name].variant, BASELINES[name].exact
    changed = {field for field in searched if searched[field] != exact[field]}
    assert searched.keys() == exact.keys()
    assert changed <= {"sampler/kind", "sampler/steps", "sampler/clip", "training/keep_best", "training/validated"}
    assert not searched["training/keep_best"]
    assert searched["sampler/clip"]
    in_few_steps = {"ancestral_large": "ancestral", "renoise": "ancestral", "cold2_x0": "cold2", "cold2": "cold2"}
    assert searched["sampler/kind"] == in_few_steps[exact["sampler/kind"]]
    assert searched["sampler/steps"] == Sampling().steps
    assert BASELINES[name].as_published().variant == exact


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_says_where_it_is_from_and_what_was_reported(name: str) -> None:
    baseline = BASELINES[name]
    assert baseline.provenance in get_args(Provenance)
    assert baseline.name == name
    assert baseline.source
    assert baseline.reported
