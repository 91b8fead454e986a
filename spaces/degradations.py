"""Which corruption to learn to undo: each degradation alone, under Gaussian noise, and overlays with some noise."""

from spaces.suggest import Asked, suggest, suggest_kind
from trainables.config import Flat, Variant
from trainables.degradations import DEGRADATIONS
from trainables.domain import Choice, Log

BASELINES = ("A0", "A4", "A5", "A6", "B3")

_CORRUPTIONS = [kind for kind in DEGRADATIONS if kind not in ("gaussian", "noise")]
KINDS = (
    "gaussian",
    *_CORRUPTIONS,
    *(f"{kind}+gaussian" for kind in _CORRUPTIONS),
    "mask+contrast+gaussian",
    *(f"{kind}+noise" for kind in _CORRUPTIONS if DEGRADATIONS[kind].has_prior),
)


def _start(kind: str) -> Flat:
    cold: Flat = {} if kind == "gaussian" else {"sampler/kind": "cold1"}
    flat = Variant.from_flat({"degradation/kind": kind, **cold}).flat()
    searched = ("schedule/kind", "training/lr", *cold)
    return {name: value for name, value in flat.items() if name in searched or name.startswith("degradation/")}


STARTS = tuple(_start(kind) for kind in KINDS)


def space(trial: Asked) -> Flat:
    """Suggest a degradation, its strength, a schedule for it, and how to sample where there is a choice."""
    kind = suggest_kind(trial, "degradation", KINDS)
    suggest(trial, "schedule/kind", Choice("cosine", "linear", "sigmoid"))
    suggest(trial, "training/lr", Log(1e-3, 6e-3))
    if kind != "gaussian":
        suggest(trial, "sampler/kind", Choice("cold1", "cold2", "cold2_estimated"))
    return {}
