"""The recipe that spaces share: what lowers FMD per second for Gaussian noise, and the fields to vary it."""

from spaces.suggest import Asked, suggest
from trainables.config import Flat
from trainables.domain import Choice, Uniform

# tests/benchmarks/axes.py: FMD with and without each of these, at equal CPU-seconds. Other degradations have it, too,
# so that they compare.
RECIPE: Flat = {
    "network/cnn/widths": "32-32-32-32",
    "network/cnn/patch": 4,
    "training/batch": 32,
    "training/beta2": 0.95,
    "training/times": "logit_normal",
    "sampler/steps": 10,
}
# Of 0.4, 0.7 and 1 the second has the lowest FMD after 108,000 images (docs/benchmarks.md, "The recipe").
GUIDANCE = Uniform(0, 1.5)
GUIDED: Flat = {"network/conditioning": "class", "sampler/guidance": 0.7}
WITHOUT_LABELS: Flat = {**GUIDED, "network/conditioning": "cluster"}


def suggest_training(trial: Asked) -> None:
    """Suggest the batch, Adam's beta2, the averaged share and how t is drawn."""
    suggest(trial, "training/batch", Choice(16, 32, 64))
    suggest(trial, "training/beta2", Choice(0.9, 0.95, 0.98, 0.99, 0.999))
    suggest(trial, "training/average", Choice(0.05, 0.1, 0.2))
    if suggest(trial, "training/times") == "logit_normal":
        suggest(trial, "training/times_mean", Uniform(-0.5, 1))


def suggest_conditioning(trial: Asked, conditioning: Choice | None = None) -> None:
    """Suggest whether the network is told classes or clusters, and if so how far guidance goes."""
    if suggest(trial, "network/conditioning", conditioning) != "none":
        suggest(trial, "sampler/guidance", GUIDANCE)
