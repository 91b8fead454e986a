"""Quality per second, for Gaussian noise: the network's size, the batch, the optimizer, noise levels and guidance."""

from spaces.recipe import GUIDANCE, GUIDED, RECIPE, suggest_training
from spaces.suggest import Asked, suggest
from trainables.config import Flat
from trainables.domain import Choice, Log

BASELINES = ("A0", "A6")

WIDTHS = ("32-32-32-32", "32-32-32-32-32", "48-48-48-48", "48-48-48-48-48", "64-64-64-64", "64-64-64-64-64")
_START: Flat = {name: value for name, value in {**RECIPE, **GUIDED}.items() if name.startswith(("training", "sampler"))}
STARTS: tuple[Flat, ...] = tuple(
    {**_START, "training/lr": lr, "network/cnn/widths": widths, "network/cnn/kernel": 7}
    for widths, lr in ((WIDTHS[0], 8e-3), (WIDTHS[1], 8e-3), (WIDTHS[2], 8e-3))
)


def space(trial: Asked) -> Flat:
    """Suggest what decides FMD, all for networks that know classes."""
    suggest(trial, "network/cnn/widths", Choice(*WIDTHS))
    suggest(trial, "network/cnn/kernel", Choice(5, 7, 9))
    suggest(trial, "schedule/kind", Choice("cosine", "linear", "sigmoid"))
    suggest(trial, "training/lr", Log(2e-3, 4e-2))
    suggest_training(trial)
    suggest(trial, "sampler/steps", Choice(10, 20))
    suggest(trial, "sampler/guidance", GUIDANCE)
    return {"network/cnn/patch": 4, "network/conditioning": "class"}
