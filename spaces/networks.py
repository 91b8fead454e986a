"""Networks: the starter CNN, the fast U-Net and the U-Nets of the literature, with their sizes and parts."""

from spaces.suggest import Asked, suggest, usual
from spaces.widths import WIDTHS
from trainables.config import Flat
from trainables.domain import Choice, Domain, Log

BASELINES = ("A0", "B0", "C3", "F")

# None: the field's own domain.
SEARCHED: dict[str, dict[str, Domain | None]] = {
    "cnn": {"widths": Choice(*WIDTHS), "kernel": Choice(3, 5, 7), "norm": None, "activation": None},
    "unet": {"widths": Choice("16-32", "32-64", "32-64-64", "64-128"), "blocks": None, "norm": None, "attention": None},
    "fruits_unet": {"widths": Choice("16-32-64", "32-64-128", "32-64-128-128"), "attention": None},
    "convnext_unet": {"dim": Choice(16, 32), "mults": Choice("1-2", "1-2-4"), "attention": None},
}
STARTS = tuple(
    usual({"network/kind": kind}, "network/kind", *(f"network/{kind}/{field}" for field in fields), "training/lr")
    for kind, fields in SEARCHED.items()
)


def network(trial: Asked) -> Flat:
    """Suggest a network and its fields, all on 2 x 2 patches."""
    kind = str(suggest(trial, "network/kind", Choice(*SEARCHED)))
    for field, domain in SEARCHED[kind].items():
        suggest(trial, f"network/{kind}/{field}", domain)
    return {f"network/{kind}/patch": 2}


def space(trial: Asked) -> Flat:
    """Suggest a network, its fields and the learning rate."""
    suggest(trial, "training/lr", Log(5e-4, 8e-3))
    return network(trial)
