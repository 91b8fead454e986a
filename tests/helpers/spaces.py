"""Search spaces in files, as users write them: one with a conditional parameter, and one that rejects draws."""

from pathlib import Path

from search.space.load import load
from search.space.space import Space

# It has two baselines and two starting points; `RUNGS` are for it.
RUNGS = (100, 300, 900)
SPACE = """
BASELINES = ("A0", "D2")
STARTS = ({"network/kind": "unet"}, {"network/kind": "cnn", "training/lr": 0.003})


def space(trial):
    if trial.suggest_categorical("network/kind", ["unet", "cnn"]) == "cnn":
        trial.suggest_categorical("network/cnn/kernel", [3, 5, 7])
    trial.suggest_float("training/lr", 1e-4, 1e-2, log=True)
    return {"training/batch": 32}
"""
# It draws batches from 1 to 9 and takes those up to 3.
PICKY = """
import optuna


def space(trial):
    if trial.suggest_int("training/batch", 1, 9) > 3:
        raise optuna.TrialPruned("too large")
"""


def space_of(folder: Path, text: str = SPACE, **fixed: str) -> Space:
    """Write a space to my_space.py and load it; a value that is fixed as network__kind is that of network.kind."""
    file = folder / "my_space.py"
    file.write_text(text)
    return load(str(file), {name.replace("__", "."): value for name, value in fixed.items()})
