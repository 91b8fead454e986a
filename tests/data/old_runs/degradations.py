"""Degradations: each alone, each followed by Gaussian noise, and overlays with some noise."""

from spaces.suggest import Asked, suggest, suggest_kind, usual
from trainables.config import Flat
from trainables.diffusion.degradations import DEGRADATIONS, Overlay
from trainables.domain import Choice, Log

BASELINES = ("A0", "A4", "A5", "A6", "B3")

_CORRUPTIONS = [kind for kind in DEGRADATIONS if kind not in ("gaussian", "flow", "noise")]
_OVERLAYS = [kind for kind in _CORRUPTIONS if issubclass(DEGRADATIONS[kind], Overlay)]
KINDS = (
    "gaussian",
    "flow",
    *_CORRUPTIONS,
    *(f"{kind}+gaussian" for kind in _CORRUPTIONS),
    "mask+contrast+gaussian",
    *(f"{kind}+noise" for kind in _OVERLAYS),
)


def _start(kind: str) -> Flat:
    # For Gaussian noise twice the default learning rate is 5 to 7 % better (tests/benchmarks/defaults.py).
    known: Flat = {"training/lr": 8e-3} if kind == "gaussian" else {"sampler/kind": "cold1", "sampler/prior": "own"}
    return usual({"degradation/kind": kind, **known}, "degradation/", "schedule/kind", "training/lr", *known)


# Every degradation once, with noise, because samples without noise lack diversity.
_WITH_NOISE = [f"{kind}+noise" if kind in _OVERLAYS else f"{kind}+gaussian" for kind in _CORRUPTIONS]
STARTS = tuple(_start(kind) for kind in ("gaussian", "flow", *_WITH_NOISE))


def space(trial: Asked) -> Flat:
    """Suggest a degradation, its fields, a schedule, a learning rate, and the sampler and its prior."""
    kind = suggest_kind(trial, "degradation", KINDS)
    suggest(trial, "schedule/kind", Choice("cosine", "linear", "sigmoid"))
    suggest(trial, "training/lr", Log(1e-3, 1e-2))
    if kind != "gaussian":
        suggest(trial, "sampler/kind", Choice("cold1", "cold2", "cold2_estimated"))
        suggest(trial, "sampler/prior")
    return {}
