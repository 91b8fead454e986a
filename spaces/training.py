"""Training: prediction target, loss and weight, optimizer, learning rate, batch, noise levels and averaging."""

from spaces.recipe import suggest_training
from spaces.suggest import Asked, suggest
from trainables.config import Flat
from trainables.domain import Choice, Log

BASELINES = ("A0", "A6", "D2")
CONFIRM_BY = ("training/target",)

STARTS: tuple[Flat, ...] = ({"training/target": "x0"}, {"training/target": "v"}, {"training/target": "eps"})


def space(trial: Asked) -> Flat:
    """Suggest every field of training that can change something, but the precision and the split."""
    suggest(trial, "training/target", Choice("x0", "v", "eps"))
    suggest(trial, "training/loss")
    suggest(trial, "training/weight", Choice("uniform", "min_snr"))
    if suggest(trial, "training/optimizer") == "adamw":
        suggest(trial, "training/weight_decay", Log(1e-6, 0.1))
    suggest(trial, "training/lr", Log(2e-4, 4e-2))
    suggest(trial, "training/lr_decay", Choice("none", "cosine"))  # plateau waits for more epochs than a search has
    suggest(trial, "training/warmup", Choice(0, 100, 300))
    suggest_training(trial)
    return {}
