"""How Gaussian noise grows with t: linear, constant, cosine and sigmoid schedules, their parameters and T."""

from spaces.suggest import Asked, suggest, suggest_kind
from trainables.config import Flat
from trainables.domain import Choice

BASELINES = ("A0", "B1", "B2", "C1", "C2", "D2")

KINDS = ("cosine", "linear", "sigmoid", "constant")
STARTS = tuple({"schedule/kind": kind} for kind in KINDS)


def space(trial: Asked) -> Flat:
    """Suggest a schedule with all its parameters, and what the network predicts."""
    suggest_kind(trial, "schedule", KINDS)
    suggest(trial, "training/target", Choice("x0", "v", "eps"))
    return {}
