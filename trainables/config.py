"""Variants: a diffusion configuration as an object, and as a flat dict of primitives.

The flat names, such as "schedule/kind", "schedule/cosine/s" and "training/lr", are the same in Optuna's parameters,
parquet columns, TensorBoard's HParams and, with dots, in `--set`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any

from trainables.compatibility import refuse_a_target_without_signal, refuse_misfits
from trainables.data.folds import FOLDS
from trainables.diffusion.degradations import DEGRADATIONS, Chain, Degradation, Gaussian
from trainables.diffusion.process import LOSSES, PRECISIONS, WEIGHTS, Guidance
from trainables.diffusion.samplers import SAMPLERS, Sampler, strided
from trainables.diffusion.schedules import SCHEDULES, Cosine, Schedule
from trainables.diffusion.source import PIXELS
from trainables.diffusion.targets import TARGETS
from trainables.diffusion.times import TIMES
from trainables.domain import Choice, ConfigError, Domain, Int, Log, Member, Primitive, Uniform, construct, domains
from trainables.networks import CNN, NETWORKS, Network

Flat = dict[str, Primitive]

# What the network is told of an image: nothing, its label, or its cluster (trainables/data/clusters.py).
CONDITIONINGS = ("none", "class", "cluster")
# Where x_T comes from: the degradation itself, a distribution fitted to degraded images, or held-out images degraded.
PRIORS = ("own", "fitted", "degraded")
# Fields of a variant itself, by their flat names.
OWN_FIELDS = {"pixels": "pixels", "network/conditioning": "conditioning", "network/clusters": "clusters"}

FAMILIES: dict[str, dict[str, Any]] = {
    "schedule": SCHEDULES,
    "degradation": DEGRADATIONS,
    "network": NETWORKS,
}


@dataclass(frozen=True)
class Training:
    """How the network is trained; `batch` in images, `warmup` in steps, `beta2` of Adam's second moment.

    The mean age of the averaged weights is the share `average` of the steps so far: their decay at step s is
    (1 + s) / (1 / average + s), and at most `ema`. `times` names how t is drawn; `times_mean` is
    the mean of logit(t / T) for `logit_normal`. `label_drop` is the share of labels that a network with classes does
    not see.

    `split` holds out a part of the training images for validation. The loss is measured on `validated` of them;
    without a split, on as many images of the split that the search ranks against. Training ends after `patience`
    epochs without a lower validation loss, and never if that is 0. With `keep_best` a trial is sampled with the weights
    of the epoch that had the lowest loss. `drop_last` leaves out the images that do not fill the last batch of an
    epoch. A gradient whose norm is above `clip_grad` is scaled to it, unless that is 0. `flip` mirrors half of the
    images left to right.

    The defaults reached a low FMD with every network and degradation measured (tests/benchmarks/defaults.py).
    """

    target: Annotated[str, Member(TARGETS)] = "x0"
    loss: Annotated[str, Member(LOSSES)] = "l2"
    weight: Annotated[str, Member(WEIGHTS)] = "uniform"
    optimizer: Annotated[str, Choice("adam", "adamw")] = "adam"
    lr: Annotated[float, Log(1e-5, 0.1)] = 4e-3
    lr_decay: Annotated[str, Choice("none", "cosine", "plateau")] = "none"
    warmup: Annotated[int, Int(0, 10_000)] = 100
    weight_decay: Annotated[float, Uniform(0, 0.1)] = 0.0
    batch: Annotated[int, Int(1, 4096)] = 64
    drop_last: Annotated[bool, Choice(False, True)] = False
    beta2: Annotated[float, Uniform(0.5, 0.99999)] = 0.999
    average: Annotated[float, Log(1e-3, 0.5)] = 0.1
    ema: Annotated[float, Uniform(0, 0.99999)] = 0.999
    times: Annotated[str, Member(TIMES)] = "uniform"
    times_mean: Annotated[float, Uniform(-2, 2)] = 0.0
    label_drop: Annotated[float, Uniform(0, 0.5)] = 0.1
    precision: Annotated[str, Choice(*PRECISIONS)] = "auto"
    split: Annotated[str, Choice(*FOLDS)] = "none"
    fold: Annotated[int, Int(0, 4)] = 0
    patience: Annotated[int, Int(0, 1000)] = 0
    keep_best: Annotated[bool, Choice(False, True)] = False
    validated: Annotated[int, Int(1, 100_000)] = 64
    clip_grad: Annotated[float, Uniform(0, 10)] = 0.0
    flip: Annotated[bool, Choice(False, True)] = False

    def __post_init__(self) -> None:
        """Raise ConfigError for a fold without folds, a validation without images, and a mean of no logit."""
        if self.fold and not self.split.startswith("5-fold"):
            raise ConfigError(f"training/fold={self.fold}: training/split={self.split} has no folds; use fold 0")
        for name, off in (("patience", 0), ("keep_best", False)):
            if (value := getattr(self, name)) and self.split == "none":
                raise ConfigError(
                    f"training/{name}={value}: there are no validation images while training/split is none; "
                    f"use training/split={', '.join(FOLDS[1:])}, or training/{name}={off}"
                )
        if self.times_mean and self.times != "logit_normal":
            raise ConfigError(
                f"training/times_mean={self.times_mean:g}: training/times={self.times} has no mean; "
                "use training/times=logit_normal, or training/times_mean=0"
            )


@dataclass(frozen=True)
class Sampling:
    """How images are generated: the sampler, its number of steps (at most T), the prior of x_T, and guidance.

    The steps' times are T (k / steps)^`spacing`: even with 1, and closer near the clean image with more. `clip` keeps
    every x0_hat to the pixel range, which most samplers of few steps need. A network with classes is guided by the
    scale `guidance` where t / T is from `guidance_low` to `guidance_high`. `eta` is the scale of the noise that `ddim`
    draws at each step: with 1 it is `ancestral`.
    """

    kind: Annotated[str, Member(SAMPLERS)] = "ancestral"
    steps: Annotated[int, Int(1, 5000)] = 20
    prior: Annotated[str, Choice(*PRIORS)] = "own"
    clip: Annotated[bool, Choice(True, False)] = True
    guidance: Annotated[float, Uniform(0, 10)] = 0.0
    guidance_low: Annotated[float, Uniform(0, 1)] = 0.2
    guidance_high: Annotated[float, Uniform(0, 1)] = 0.8
    spacing: Annotated[float, Uniform(1, 3)] = 1.0
    eta: Annotated[float, Uniform(0, 1)] = 0.0

    def __post_init__(self) -> None:
        """Raise ConfigError for an interval that ends before it begins, and an eta of a sampler without."""
        if self.guidance_low > self.guidance_high:
            raise ConfigError(
                f"sampler/guidance_low={self.guidance_low:g} is above sampler/guidance_high={self.guidance_high:g}; "
                "guidance holds from low to high, as shares of T"
            )
        if self.eta and SAMPLERS[self.kind].noisy is None:
            with_eta = [kind for kind, sampler in SAMPLERS.items() if sampler.noisy]
            raise ConfigError(
                f"sampler/eta={self.eta:g}: sampler/kind={self.kind} has no eta; "
                f"use sampler/kind={', '.join(with_eta)}, or sampler/eta=0"
            )

    @property
    def guided(self) -> Guidance:
        """The guidance of a network with classes."""
        return Guidance(self.guidance, self.guidance_low, self.guidance_high)

    @property
    def sampler(self) -> Sampler:
        """The sampler, with its eta."""
        chosen = SAMPLERS[self.kind]
        return replace(chosen, function=chosen.noisy(self.eta)) if self.eta and chosen.noisy else chosen

    def times(self, T: int) -> list[int]:
        """Return the times of the steps from T down to 0."""
        return strided(T, self.steps, self.spacing)


@dataclass(frozen=True)
class Variant:
    """One diffusion configuration: schedule, degradation and network, and how it is trained and sampled."""

    schedule: Schedule = field(default_factory=Cosine)
    degradation: Degradation = field(default_factory=Gaussian)
    network: Network = field(default_factory=CNN)
    training: Training = field(default_factory=Training)
    sampler: Sampling = field(default_factory=Sampling)
    pixels: Annotated[str, Choice(*PIXELS)] = "-1..1"
    conditioning: Annotated[str, Choice(*CONDITIONINGS)] = "none"
    clusters: Annotated[int, Choice(10, 30, 50, 100, 300)] = 100
    """At the most; without effect unless the network is told the cluster. 100: see "Clusters" in docs/benchmarks.md"""

    def __post_init__(self) -> None:
        """Raise ConfigError where the parts do not fit together."""
        refuse_misfits(self.flat(), self.schedule, self.degradation)

    def require_trainable(self) -> None:
        """Raise ConfigError for what should not be trained any more, though models of older runs are sampled from."""
        refuse_a_target_without_signal(self.flat(), self.schedule, self.degradation)

    @classmethod
    def from_flat(cls, flat: Flat) -> Variant:
        """Return the variant of a flat dict, with defaults for the names that it leaves out.

        It raises ConfigError for an unknown name, a value outside its domain, or a field of a kind not selected.
        """
        kinds = {name: value for name, value in cls().flat().items() if name.endswith("/kind")}
        flat = {**kinds, **flat}
        _refuse_unknown(flat)
        parts: dict[str, Any] = {name: _member(name, flat[f"{name}/kind"], flat) for name in ("schedule", "network")}
        degradations = tuple(_member("degradation", kind, flat) for kind in str(flat["degradation/kind"]).split("+"))
        parts["degradation"] = degradations[0] if len(degradations) == 1 else Chain(degradations)
        for name, section in (("training", Training), ("sampler", Sampling)):
            parts[name] = construct(section, name, _below(name, flat))
        for name, own in OWN_FIELDS.items():
            parts[own] = domains(cls)[own].check(name, flat.get(name, getattr(cls, own)))
        return cls(**parts)

    def flat(self) -> Flat:
        """Return the whole configuration, with defaults, as a flat dict."""
        flat: Flat = {name: getattr(self, own) for name, own in OWN_FIELDS.items()}
        for family, members in FAMILIES.items():
            member = getattr(self, family)
            parts = member.parts if isinstance(member, Chain) else (member,)
            kinds = [next(kind for kind, known in members.items() if known is type(part)) for part in parts]
            flat[f"{family}/kind"] = "+".join(kinds)
            for kind, part in zip(kinds, parts, strict=True):
                flat |= {f"{family}/{kind}/{name}": getattr(part, name) for name in domains(type(part))}
        for section in ("training", "sampler"):
            values = getattr(self, section)
            flat |= {f"{section}/{entry.name}": getattr(values, entry.name) for entry in fields(values)}
        return flat


@dataclass(frozen=True)
class Composition(Domain):
    """The domain of different degradations joined by "+", in order of application."""

    def check(self, name: str, value: object) -> str:
        """Return `value`; raise ConfigError when it names an unknown degradation or one twice."""
        kinds = value.split("+") if isinstance(value, str) else []
        if not kinds or len(set(kinds)) < len(kinds) or not set(kinds) <= set(DEGRADATIONS):
            raise ConfigError(
                f"{name}={value!r}: expected one of {', '.join(DEGRADATIONS)}, or different ones joined by + "
                "in order of application, as in mask+contrast+gaussian"
            )
        return str(value)


def all_domains() -> dict[str, Domain]:
    """Return the domains of all flat names, of all kinds that there are at the moment."""
    table: dict[str, Domain] = {name: domains(Variant)[own] for name, own in OWN_FIELDS.items()}
    for family, members in FAMILIES.items():
        table[f"{family}/kind"] = Composition() if members is DEGRADATIONS else Member(members)
        for kind, member in members.items():
            table |= {f"{family}/{kind}/{name}": domain for name, domain in domains(member).items()}
    for section, cls in (("training", Training), ("sampler", Sampling)):
        table |= {f"{section}/{name}": domain for name, domain in domains(cls).items()}
    return table


def domain_of(name: str) -> Domain:
    """Return the domain of a flat name; raise ConfigError, with the nearest names, where there is none."""
    table = all_domains()
    if name not in table:
        raise _unknown(name, table)
    return table[name]


def full_name(name: str) -> str:
    """Return the flat name of which `name` is the last part, where there is one alone; else `name` as it is.

    Raises:
        ConfigError: several fields end so.
    """
    table = all_domains()
    ends = [] if name in table else [field for field in table if field.rpartition("/")[2] == name]
    if len(ends) > 1:
        raise ConfigError(f"{name}: several fields end so; give one of {', '.join(ends)}")
    return ends[0] if ends else name


def parse_flat(texts: Mapping[str, str]) -> Flat:
    """Return a flat dict of the values that texts write; names are as in `--set`, with dots or only the last part.

    Raises:
        ConfigError: there is no such name, or a text writes no value of its domain.
    """
    named = {full_name(name.replace(".", "/")): text for name, text in texts.items()}
    return {name: domain_of(name).parse(name, text) for name, text in named.items()}


def _unknown(name: str, table: Mapping[str, Domain]) -> ConfigError:
    if near := difflib.get_close_matches(name, table, n=3, cutoff=0.4):
        return ConfigError(f"unknown field {name}: did you mean {' or '.join(near)}?")
    beginnings = dict.fromkeys(known.partition("/")[0] for known in table)
    return ConfigError(f"unknown field {name}: names start with {', '.join(beginnings)}")


def _refuse_unknown(flat: Flat) -> None:
    known = all_domains()
    for family in FAMILIES:
        known[f"{family}/kind"].check(f"{family}/kind", flat[f"{family}/kind"])
    for name in flat:
        if name not in known:
            raise _unknown(name, known)
        family, _, rest = name.partition("/")
        kind, _, own = rest.partition("/")
        if own and family in FAMILIES and kind not in str(flat[f"{family}/kind"]).split("+"):
            raise ConfigError(
                f"{name} has no meaning while {family}/kind is {flat[f'{family}/kind']}; "
                f"leave it out or use {family}/kind={kind}"
            )


def _below(prefix: str, flat: Flat) -> Flat:
    return {name.removeprefix(prefix + "/"): value for name, value in flat.items() if name.startswith(prefix + "/")}


def _member(family: str, kind: Primitive, flat: Flat) -> Any:
    prefix = f"{family}/{kind}"
    return construct(FAMILIES[family][str(kind)], prefix, _below(prefix, flat))
