"""Activations: all nine, in the starter CNN and in the small U-Net, both on 2 x 2 patches."""

from spaces.suggest import Asked, suggest
from trainables.config import Flat
from trainables.domain import Choice, Log
from trainables.networks import ACTIVATIONS

BASELINES = ("A0", "A2", "A3")
CONFIRM_BY = ("network/cnn/activation", "network/unet/activation")

STARTS = tuple({"network/kind": "cnn", "network/cnn/activation": activation} for activation in ACTIVATIONS)


def space(trial: Asked) -> Flat:
    """Suggest a network, its activation and the learning rate."""
    kind = suggest(trial, "network/kind", Choice("cnn", "unet"))
    suggest(trial, f"network/{kind}/activation")
    suggest(trial, "training/lr", Log(5e-4, 2e-2))
    return {f"network/{kind}/patch": 2}
