"""Networks: the starter CNN, the fast U-Net, the U-Nets of the literature and a transformer, with sizes and parts."""

from spaces.suggest import Asked, suggest, usual
from trainables.config import Flat
from trainables.domain import Choice, Domain, Log

BASELINES = ("A0", "B0", "C3", "F")
CONFIRM_BY = ("network/kind",)

CNN_WIDTHS = ("16-32-32-16", "32-32-32-32", "64-64-64-64", "16-32-64-32-16", "32-64-128-64-32", "32-32-32-32-32-32")

# None: the field's own domain.
SEARCHED: dict[str, dict[str, Domain | None]] = {
    "cnn": {
        "widths": Choice(*CNN_WIDTHS),
        "kernel": Choice(5, 7, 9),
        "patch": Choice(2, 4),
        "norm": None,
        "activation": None,
    },
    "unet": {"widths": Choice("16-32", "32-64", "32-64-64", "64-128"), "blocks": None, "norm": None, "attention": None},
    "fruits_unet": {"widths": Choice("16-32-64", "32-64-128", "32-64-128-128"), "attention": None},
    "convnext_unet": {"dim": Choice(16, 32), "mults": Choice("1-2", "1-2-4"), "attention": None},
    "dit": {"width": Choice(64, 128), "depth": Choice(2, 4, 6), "heads": None},
}
PATCH = {"dit": 4}  # of a network whose patches are not searched; of others 2
STARTS = tuple(
    usual({"network/kind": kind}, "network/kind", *(f"network/{kind}/{field}" for field in fields), "training/lr")
    for kind, fields in SEARCHED.items()
)


def network(trial: Asked) -> Flat:
    """Suggest a network and its fields, all on patches."""
    kind = str(suggest(trial, "network/kind", Choice(*SEARCHED)))
    for field, domain in SEARCHED[kind].items():
        suggest(trial, f"network/{kind}/{field}", domain)
    return {} if "patch" in SEARCHED[kind] else {f"network/{kind}/patch": PATCH.get(kind, 2)}


def space(trial: Asked) -> Flat:
    """Suggest a network, its fields and the learning rate."""
    suggest(trial, "training/lr", Log(5e-4, 2e-2))
    return network(trial)
