"""The network of features by which a run ranks, where it is one of the user's own: the run keeps a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.run.log import RunError
from trainables.metric.feature_file import FeatureFile

if TYPE_CHECKING:
    from analysis.run.run import Run  # as in analysis/run/code.py


def read_features(run: Run) -> FeatureFile | None:
    """Return the network that a run keeps; None where it keeps none.

    Raises:
        RunError: the file is lost or damaged.
    """
    kept = run.settings().get("features")
    if kept is None:
        return None
    run.fetch(run.features)
    file = FeatureFile.of(kept["name"], run.features.read_bytes()) if run.features.is_file() else None
    if file is None or file.sha256 != kept["sha256"]:
        raise RunError(f"{run.features} is lost or damaged: bring it back from a copy, or search anew")
    return file


def write_features(run: Run, file: FeatureFile) -> None:
    """Keep a network in a run, which keeps none yet or the same."""
    if run.settings().get("features") is not None:
        return
    run.features.parent.mkdir(exist_ok=True)
    run.write(run.features, file.content.tobytes())
    run.update_settings(features={"name": file.name, "sha256": file.sha256})


def copy_features(run: Run, to: Run) -> None:
    """Keep the network of a run, if it has one, in another one, too."""
    if to.settings().get("features") is None and (file := read_features(run)) is not None:
        write_features(to, file)
