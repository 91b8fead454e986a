"""All fields together: degradation, schedule, network, training, conditioning and sampler."""

from spaces import degradations, networks
from spaces.recipe import RECIPE, suggest_training
from spaces.suggest import Asked, suggest
from trainables.config import Flat
from trainables.domain import Choice

BASELINES = ("A0", "A6", "B0", "B3", "C1", "C3")

_USUAL: Flat = {
    **{name: value for name, value in RECIPE.items() if "/cnn/" not in name},
    **{"training/loss": "l2", "training/average": 0.1, "training/times_mean": 0.0},
}
STARTS: tuple[Flat, ...] = tuple(
    {name: RECIPE.get(name, value) for name, value in {**network, **degradation, **_USUAL}.items()}
    for degradation in degradations.STARTS[:3]
    for network in networks.STARTS[:2]
)


def space(trial: Asked) -> Flat:
    """Suggest the fields of `degradations` and `networks`, the loss, the sampler's steps and the rest of training."""
    degradations.degradation(trial)
    constants = networks.network(trial)
    suggest(trial, "training/loss")
    suggest(trial, "sampler/steps", Choice(10, 20))
    suggest_training(trial)
    return constants
