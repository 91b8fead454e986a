"""What a run keeps of the user's own: the space file with the modules that it imports, and the network of features."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from analysis.run.log import RunError
from trainables.metric.feature_file import FeatureFile
from trainables.user_code import UserCode

if TYPE_CHECKING:
    from analysis.run.run import Run  # processes of trials import this module, and need no tables


def read_code(run: Run) -> UserCode | None:
    """Return the code that a run keeps; None where it keeps none.

    Raises:
        RunError: a file of it is lost.
    """
    kept = run.settings().get("code")
    if kept is None:
        return None
    files = {name: run.code_folder / name for name in kept["files"]}
    if not all(path.resolve().is_relative_to(run.code_folder.resolve()) for path in files.values()):
        raise RunError(f"{run.settings_file} names code outside {run.code_folder}: search anew")
    try:
        texts = {name: path.read_bytes().decode() for name, path in files.items()}
    except (OSError, ValueError):
        raise RunError(f"{run.code_folder} lacks a file: bring it back from a copy, or search anew") from None
    return UserCode(str(run.code_folder), texts)


def write_code(run: Run, code: UserCode, parts: Iterable[str]) -> None:
    """Keep the user's own space file, and the names of the parts that it defines, such as "network/mine"."""
    for name, text in code.texts.items():
        path = run.code_folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        run.write(path, text.encode())
    run.update_settings(code={"files": list(code.texts), "parts": list(parts)})


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


def copy_user_files(run: Run, to: Run) -> None:
    """Keep what a run keeps of the user's own in another one, too."""
    if (code := read_code(run)) is not None:
        write_code(to, code, run.settings()["code"]["parts"])
    if (file := read_features(run)) is not None:
        write_features(to, file)
