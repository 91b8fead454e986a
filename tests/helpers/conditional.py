"""A search space with a conditional parameter, two baselines and two starting points; and rungs for it."""

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
