"""Variants: a flat dict and an object that say exactly the same, and one line wherever they cannot."""

import itertools
import json
import random
import re
from typing import Any

import pytest

from spaces.baselines import BASELINES
from trainables.compatibility import fitting
from trainables.config import FAMILIES, Composition, Flat, Variant, all_domains, domain_of
from trainables.diffusion.degradations import DEGRADATIONS, LinearInterpolant, Overlay
from trainables.diffusion.process import WEIGHTS
from trainables.diffusion.samplers import SAMPLERS
from trainables.diffusion.schedules import SCHEDULES
from trainables.diffusion.targets import TARGETS
from trainables.domain import Choice, ConfigError, Int, Log, Uniform, Widths

# What every degradation allows.
COLD: Flat = {"training/target": "x0", "training/weight": "uniform", "sampler/kind": "cold2"}


def draw(domain: Any, rng: random.Random) -> Any:
    """A random member of a domain."""
    if isinstance(domain, Choice):
        return rng.choice(domain.options)
    if isinstance(domain, Int):
        return rng.randint(domain.low, domain.high)
    if isinstance(domain, Log):
        return min(max(domain.low * (domain.high / domain.low) ** rng.random(), domain.low), domain.high)
    if isinstance(domain, Uniform):
        return rng.uniform(domain.low, domain.high)
    if isinstance(domain, Widths):
        return "-".join(str(rng.randint(1, 1024)) for _ in range(rng.randint(domain.least, domain.most)))
    assert isinstance(domain, Composition), domain
    return "+".join(rng.sample(list(DEGRADATIONS), rng.randint(1, 3)))


def random_flat(seed: int) -> Flat:
    """A random point of everything that can be configured."""
    rng = random.Random(seed)
    kinds = {f"{family}/kind": draw(domain_of(f"{family}/kind"), rng) for family in FAMILIES}
    selected = [f"{family}/{kind}/" for family in FAMILIES for kind in str(kinds[f"{family}/kind"]).split("+")]
    fields = [name for name in all_domains() if name not in kinds]
    fields = [name for name in fields if name.count("/") < 2 or name.startswith(tuple(selected))]
    flat = kinds | {name: draw(domain_of(name), rng) for name in fields}
    try:
        Variant.from_flat(flat)
    except ConfigError:
        safe: Flat = {"training/split": "none", "training/fold": 0, "training/patience": 0, "training/times_mean": 0.0}
        safe |= {"training/keep_best": False, "sampler/prior": "own", "sampler/eta": 0.0}
        return flat | COLD | safe | {"sampler/guidance": 0.0, "sampler/guidance_low": 0.2, "sampler/guidance_high": 0.8}
    return flat


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sampler/guidance": 0.5}, "network/conditioning=class or cluster, or sampler/guidance=0"),
        (
            {"sampler/guidance": 0.5, "network/conditioning": "class", "training/label_drop": 0.0},
            "training/label_drop=0.1, or sampler/guidance=0",
        ),
        ({"sampler/guidance_low": 0.6, "sampler/guidance_high": 0.5}, "guidance holds from low to high"),
        (
            {"sampler/prior": "degraded", "network/conditioning": "class"},
            "use network/conditioning=none, or sampler/prior=own, fitted",
        ),
        ({"sampler/eta": 0.5}, "sampler/kind=ancestral has no eta; use sampler/kind=ddim, or sampler/eta=0"),
        ({"training/times_mean": 0.5}, "use training/times=logit_normal, or training/times_mean=0"),
        ({"training/times_mean": 0.5, "training/times": "stratified"}, "use training/times=logit_normal"),
        ({"network/conditioning": "classes"}, "network/conditioning='classes': expected one of none, class"),
    ],
)
def test_what_does_not_fit_together_is_refused_in_one_line(changes: Flat, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"^[^\n]*{re.escape(message)}[^\n]*$"):
        Variant.from_flat(changes)


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_is_a_complete_configuration(name: str) -> None:
    flat = BASELINES[name].variant
    assert Variant.from_flat(flat).flat() == flat


@pytest.mark.parametrize("seed", range(50))
def test_flat_and_object_say_the_same_of_random_points_also_through_json(seed: int) -> None:
    flat = random_flat(seed)
    variant = Variant.from_flat(flat)
    assert variant.flat() == flat
    assert Variant.from_flat(json.loads(json.dumps(variant.flat()))) == variant
    assert all(type(value) in (str, int, float, bool) for value in variant.flat().values())


def test_what_is_left_out_takes_the_defaults() -> None:
    assert Variant.from_flat({}) == Variant()
    changed = Variant.from_flat({"training/lr": 1e-4}).flat()
    assert changed.pop("training/lr") == 1e-4
    assert changed == {name: value for name, value in Variant().flat().items() if name != "training/lr"}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_member_of_a_family_can_be_chosen_by_its_name(family: str) -> None:
    for kind, member in FAMILIES[family].items():
        variant = Variant.from_flat({**COLD, f"{family}/kind": kind})
        assert type(getattr(variant, family)) is member
        assert variant.flat()[f"{family}/kind"] == kind


def test_every_flat_name_belongs_to_a_domain_and_every_default_lies_in_it() -> None:
    for family, members in FAMILIES.items():
        for kind in members:
            for name, value in Variant.from_flat({**COLD, f"{family}/kind": kind}).flat().items():
                assert domain_of(name).check(name, value) == value


REFUSED: list[tuple[Flat, list[str]]] = [
    ({"training/lrr": 1e-3}, ["training/lrr", "training/lr"]),
    ({"trainingg/lr": 1e-3}, ["trainingg/lr", "training/lr"]),
    ({"qqqqqq": 1}, ["qqqqqq", "schedule", "training"]),
    ({"schedule/kind": "cosine", "schedule/cosine/beta": 0.1}, ["schedule/cosine/beta", "schedule/cosine/beta_max"]),
    ({"schedule/kind": "cosine", "schedule/linear/T": 100}, ["schedule/linear/T", "cosine", "schedule/kind=linear"]),
    ({"network/kind": "cnn", "network/unet/widths": "8"}, ["network/unet/widths", "cnn", "network/kind=unet"]),
    ({"degradation/mask/count": 3}, ["degradation/mask/count", "gaussian", "degradation/kind=mask"]),
    ({"schedule/kind": "no_such"}, ["schedule/kind", "no_such", "linear", "cosine"]),
    ({"schedule/kind": 3}, ["schedule/kind", "3", "linear"]),
    ({"schedule/kind": "no_such", "schedule/cosine/T": 100}, ["schedule/kind", "no_such", "linear", "cosine"]),
    ({"degradation/kind": "mask+blurr"}, ["degradation/kind", "mask+blurr", "contrast"]),
    ({"degradation/kind": "mask+mask"}, ["degradation/kind", "mask+mask"]),
    ({"degradation/kind": ""}, ["degradation/kind", "gaussian"]),
    ({"schedule/kind": "cosine", "schedule/cosine/T": 1}, ["schedule/cosine/T=1", "2 to 5000"]),
    ({"training/lr": float("nan")}, ["training/lr=nan", "1e-05 to 0.1"]),
    ({"training/lr": "fast"}, ["training/lr='fast'", "1e-05 to 0.1"]),
    ({"training/batch": 1.5}, ["training/batch=1.5", "whole"]),
    ({"network/kind": "unet", "network/unet/widths": "8-16-32-64-128"}, ["network/unet/widths", "1 to 4"]),
    ({"pixels": "0..255"}, ["pixels='0..255'", "-1..1"]),
    ({"pixels": 0}, ["pixels=0", "-1..1"]),
]


@pytest.mark.parametrize(("flat", "fragments"), REFUSED, ids=[str(flat) for flat, _ in REFUSED])
def test_what_cannot_be_is_refused_in_one_line_that_says_what_would_be_right(flat: Flat, fragments: list[str]) -> None:
    with pytest.raises(ConfigError) as refusal:
        Variant.from_flat(flat)
    message = str(refusal.value)
    assert "\n" not in message
    assert all(fragment in message for fragment in fragments), message


# What each needs at the end of the degradation, by the formulas that define it.
NOISE_ONLY = {"eps", "scaled_eps", "v", "inverse_beta", "ancestral", "ancestral_large", "ddim"}
STRAIGHT_ONLY = {"velocity"}
OVERLAYS_ONLY = {"min_snr", "euler", "heun", "dpmpp"}


def fits(choice: str, kind: str) -> bool:
    """Whether a target, weight or sampler is right for a degradation that ends in `kind`."""
    last = DEGRADATIONS[kind.split("+")[-1]]
    return (
        (choice not in NOISE_ONLY or kind.split("+")[-1] == "gaussian")
        and (choice not in STRAIGHT_ONLY or issubclass(last, LinearInterpolant))
        and (choice not in OVERLAYS_ONLY or issubclass(last, Overlay))
    )


KINDS = [
    *DEGRADATIONS,
    *("mask+gaussian", "mask+contrast+gaussian", "mask+flow", "contrast+morph", "gaussian+mask", "flow+noise"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_targets_and_samplers_fit_the_end_of_the_degradation(kind: str) -> None:
    for target, sampler in itertools.product(TARGETS, SAMPLERS):
        flat: Flat = {"degradation/kind": kind, "sampler/kind": sampler, "training/target": target}
        # But for x0, targets restore the image before the last part, which a cold sampler puts through all parts again.
        twice = "+" in kind and target != "x0" and sampler.startswith(("cold", "renoise"))
        if fits(target, kind) and fits(sampler, kind) and not twice:
            assert Variant.from_flat(flat).flat().items() >= flat.items()
            continue
        with pytest.raises(ConfigError, match=rf"^[^\n]*{re.escape(kind)}[^\n]*use [^\n]*$") as refusal:
            Variant.from_flat(flat)
        assert Variant.from_flat({**flat, **first_advice(str(refusal.value), kind)})


def first_advice(message: str, kind: str) -> Flat:
    """The first of what a refusal says would be right; and where more than one choice is wrong, x0 and cold2."""
    name, _, value = message.rpartition("use ")[2].split(",")[0].partition("=")
    other: Flat = {"training/target": "x0"} if name == "sampler/kind" else {"sampler/kind": "cold2"}
    assert fits(value, kind)
    return {**other, name: value}


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("kind", KINDS)
def test_weights_fit_the_end_of_the_degradation(kind: str, weight: str) -> None:
    flat = {**COLD, "degradation/kind": kind, "training/weight": weight}
    if fits(weight, kind):
        assert Variant.from_flat(flat).training.weight == weight
        return
    with pytest.raises(
        ConfigError, match=rf"^training/weight={weight}: [^\n]*{re.escape(kind)}[^\n]*use [^\n]*uniform"
    ):
        Variant.from_flat(flat)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_said_to_fit_does(kind: str) -> None:
    degradation = Variant.from_flat({**COLD, "degradation/kind": kind}).degradation
    for name, family in (("training/target", TARGETS), ("training/weight", WEIGHTS), ("sampler/kind", SAMPLERS)):
        assert fitting(name, degradation) == [choice for choice in family if fits(choice, kind)]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_without_signal_at_the_end_noise_is_no_target(schedule: str) -> None:
    """There x_T is eps, and says nothing of x0."""
    flat: Flat = {"schedule/kind": schedule, f"schedule/{schedule}/zero_snr": True}
    for target in ("x0", "v"):
        assert Variant.from_flat({**flat, "training/target": target}).schedule.zero_snr
    for target in ("eps", "scaled_eps"):
        assert Variant.from_flat({"schedule/kind": schedule, "training/target": target})
        said = rf"^training/target={target}: [^\n]*x0, v[^\n]*schedule/"
        if schedule not in ("sigmoid", "uniform"):
            said += rf"{schedule}/zero_snr=False$"
        with pytest.raises(ConfigError, match=said):
            Variant.from_flat({**flat, "training/target": target})


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_noise_is_no_target_to_train_where_a_schedule_always_ends_without_signal(schedule: str) -> None:
    """A model of an older run may have it all the same, and is sampled from."""
    variant = Variant.from_flat({"schedule/kind": schedule, "training/target": "eps"})
    if schedule not in ("sigmoid", "uniform"):
        variant.require_trainable()
        return
    said = rf"^training/target=eps: [^\n]*schedule/kind={schedule} leaves no [^\n]*x0, v, or schedule/kind=linear"
    with pytest.raises(ConfigError, match=said):
        variant.require_trainable()
    Variant.from_flat({"schedule/kind": schedule, "training/target": "v"}).require_trainable()
    said = rf"^training/target=eps: [^\n]*schedule/kind={schedule} leaves no "
    with pytest.raises(ConfigError, match=said):  # and not that zero_snr=False would do
        Variant.from_flat({"schedule/kind": schedule, f"schedule/{schedule}/zero_snr": True, "training/target": "eps"})
