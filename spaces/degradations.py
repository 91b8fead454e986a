"""Degradations: alone, followed by Gaussian noise, and overlays with some noise; with classes, clusters and neither."""

from spaces.kinds import KINDS, WITH_NOISE, follows_schedule, has_prior
from spaces.recipe import GUIDED, RECIPE, WITHOUT_LABELS, suggest_conditioning
from spaces.suggest import Asked, suggest, suggest_kind, usual
from trainables.config import Flat
from trainables.domain import Choice, Log

BASELINES = ("A0", "B3")


def _start(kind: str, conditioning: Flat) -> Flat:
    # For Gaussian noise twice the default learning rate is 5 to 7 % better (tests/benchmarks/defaults.py).
    known: Flat = {"training/lr": 8e-3} if kind == "gaussian" else {"sampler/kind": "cold1", "sampler/prior": "own"}
    given = {"degradation/kind": kind, **known, **conditioning}
    return usual(given, "degradation/", "schedule/kind", "training/lr", *given)


# Every degradation once.
STARTS = (
    _start("gaussian", {**GUIDED, "schedule/kind": "sigmoid"}),
    _start("gaussian", {**WITHOUT_LABELS, "schedule/kind": "sigmoid"}),
    _start("gaussian", {"network/conditioning": "none", "training/lr": 4e-3}),  # all defaults, for comparison
    _start("flow", {**GUIDED, "schedule/kind": "uniform", "sampler/kind": "cold2_estimated"}),  # Euler's steps
    *(_start(kind, GUIDED) for kind in WITH_NOISE),
)


def space(trial: Asked) -> Flat:
    """Suggest what `degradation` does, for a fast network and training."""
    degradation(trial)
    return RECIPE


def degradation(trial: Asked) -> None:
    """Suggest a degradation, its fields, a schedule, a learning rate, the sampler and its prior, and conditioning."""
    kind = suggest_kind(trial, "degradation", KINDS)
    if follows_schedule(kind):
        suggest(trial, "schedule/kind", Choice("cosine", "linear", "sigmoid", "uniform"))
    suggest(trial, "training/lr", Log(2e-3, 4e-2))
    if kind != "gaussian":
        suggest(trial, "sampler/kind", Choice("cold1", "cold2_estimated"))  # cold2 where z cannot be solved
        if has_prior(kind):
            suggest(trial, "sampler/prior", Choice("own", "fitted"))  # samples from degraded images are restorations
    suggest_conditioning(trial)
