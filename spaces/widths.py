"""Widths of the starter CNN, at full resolution and on patches."""

from spaces.suggest import Asked, suggest
from trainables.config import Flat
from trainables.domain import Choice, Log

BASELINES = ("A0", "A2", "A3", "B0")
CONFIRM_BY = ("network/cnn/widths",)

WIDTHS = ("16-32-32-16", "32-32-32-32", "64-64-64-64", "16-32-64-32-16", "32-64-64-32", "32-32-32-32-32-32")
STARTS = tuple({"network/cnn/widths": widths, "network/cnn/patch": 2} for widths in WIDTHS)


def space(trial: Asked) -> Flat:
    """Suggest the CNN's widths, kernel and patch, and the learning rate."""
    suggest(trial, "network/cnn/widths", Choice(*WIDTHS))
    suggest(trial, "network/cnn/kernel", Choice(3, 5, 7, 9))
    suggest(trial, "network/cnn/patch", Choice(1, 2, 4))
    suggest(trial, "training/lr", Log(5e-4, 2e-2))
    return {"network/kind": "cnn"}
