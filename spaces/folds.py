"""Five-fold cross-validation, as the Fruits-360 report did: row F with each fold held out; --trials 5, --data-dir."""

from spaces.baselines import BASELINES as ROWS
from spaces.suggest import Asked, suggest
from trainables.config import Flat
from trainables.data.folds import COUNT
from trainables.domain import Choice

DATASET = "fruits360"
BASELINES = ("F",)  # after the five folds, and without what --set changes
STARTS: tuple[Flat, ...] = tuple({"training/fold": fold} for fold in range(COUNT))


def space(trial: Asked) -> Flat:
    """Suggest the fold that is held out; the rest is row F, of which --set may change any field."""
    suggest(trial, "training/fold", Choice(*range(COUNT)))
    return {name: value for name, value in ROWS["F"].variant.items() if name != "training/fold"}
