"""All fields together: degradation, schedule, network, training and sampler."""

from spaces import degradations, networks
from spaces.suggest import Asked, suggest
from trainables.config import Flat
from trainables.domain import Choice

BASELINES = ("A0", "A6", "B0", "B3", "C1", "C3")

_USUAL: Flat = {"training/loss": "l2", "training/batch": 64, "training/ema": 0.999}
STARTS: tuple[Flat, ...] = tuple(
    {**degradation, **network, **_USUAL} for degradation in degradations.STARTS[:3] for network in networks.STARTS[:2]
)


def space(trial: Asked) -> Flat:
    """Suggest the fields of `degradations` and `networks`, and loss, batch and averaging."""
    constants = {**degradations.space(trial), **networks.network(trial)}
    suggest(trial, "training/loss")
    suggest(trial, "training/batch", Choice(32, 64, 128))
    suggest(trial, "training/ema", Choice(0.99, 0.999))
    return constants
