"""Very small networks, to see a search run and not to find anything."""

BASELINES = ()
STARTS = ({"training/lr": 2e-3}, {"training/lr": 3e-3, "training/target": "x0"})


def space(trial):
    trial.suggest_float("training/lr", 5e-4, 1e-2, log=True)
    trial.suggest_categorical("training/target", ["x0", "v"])
    return {"network/kind": "cnn", "network/cnn/widths": "4-4", "network/cnn/patch": 2, "sampler/steps": 2}
