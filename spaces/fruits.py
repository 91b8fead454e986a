"""Fruits-360 in colour, 100 x 100 pixels: networks, target, schedule and learning rate; needs --data-dir."""

from spaces.suggest import Asked, suggest
from trainables.config import Flat
from trainables.domain import Choice, Log

DATASET = "fruits360"
BASELINES = ("F",)

_USUAL: Flat = {"training/target": "x0", "schedule/kind": "cosine", "training/lr": 2e-3}
_UNET: Flat = {"network/kind": "unet", "network/unet/widths": "32-64-128", "network/unet/attention": False}
STARTS: tuple[Flat, ...] = tuple({**_USUAL, **_UNET, "network/unet/patch": patch} for patch in (4, 2))


def space(trial: Asked) -> Flat:
    """Suggest the fast U-Net on patches or the report's U-Net, the target, a schedule and the learning rate."""
    kind = suggest(trial, "network/kind", Choice("unet", "fruits_unet"))
    if kind == "unet":
        suggest(trial, "network/unet/widths", Choice("32-64", "32-64-128", "64-128-128"))
        suggest(trial, "network/unet/patch", Choice(2, 4))
        suggest(trial, "network/unet/attention")
    suggest(trial, "training/target", Choice("x0", "v"))
    suggest(trial, "schedule/kind", Choice("cosine", "linear", "sigmoid"))
    suggest(trial, "training/lr", Log(5e-4, 6e-3))
    return {"training/batch": 32, **({"network/fruits_unet/patch": 2} if kind == "fruits_unet" else {})}
