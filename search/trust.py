"""Whose code is executed: that of a file named on the command line, and that which this user executed before.

A run may come from somebody else. The user's cache has the digest of each space file, and of each network of features,
that this user began a search with, so that one's own runs go on without a question. Such a network is code, too: torch
loads it by pickle.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from analysis.run.code import read_code
from analysis.run.features import read_features
from analysis.run.run import Run, RunError
from search.declaration import SettingsError
from trainables.data.cache import cache_dir, write_whole
from trainables.metric.feature_file import FeatureFile
from trainables.parts import install
from trainables.user_code import UserCode


def remember(code: UserCode) -> None:
    """Note that this user trusts a code, from now on and with any run."""
    _remember(code.digest, f"{code.folder}/{code.main}")


def remember_features(file: FeatureFile) -> None:
    """Note that this user trusts a network of features, as `remember` does."""
    _remember(file.sha256, file.name)


def trusted(code: UserCode, *, trusts: bool) -> UserCode:
    """Return a code that this user trusts; `trusts` is whether the command line says so.

    Raises:
        SettingsError: it is of somebody else, as far as is known.
    """
    if trusts:
        remember(code)
    elif not _noted(code.digest):
        raise SettingsError(
            f"this would execute {Path(code.folder, code.main)}, and you began no search with it on this machine: "
            "read it, and give --trust if it may run"
        )
    return code


def code_of(run: Run, *, trusts: bool) -> UserCode | None:
    """Return the code of the user's own that a run was begun with, None for a space of the project.

    Raises:
        CodeError, RunError: a file cannot be read.
        SettingsError: it is not trusted.
    """
    code = read_code(run)
    space = str(run.settings().get("settings", {}).get("space", ""))
    if code is None and space.endswith(".py"):  # up to version 0.3.0 a run kept no copy
        code = UserCode.read(Path(space))
    return None if code is None else trusted(code, trusts=trusts)


def features_of(run: Run, *, trusts: bool) -> FeatureFile | None:
    """Return the network of the user's own whose features a run ranks by; None where it ranks by its classifier.

    Raises:
        FeatureFileError, RunError: it cannot be read.
        SettingsError: it is not trusted.
    """
    if (file := read_features(run)) is not None:
        return _trusted_features(file, str(run.features), trusts=trusts)
    given = run.settings().get("settings", {}).get("features")
    # A kill can leave a run that has not kept it yet.
    return None if given is None else _trusted_features(FeatureFile.read(Path(given)), given, trusts=trusts)


def kept_features(given: Mapping[str, Any]) -> FeatureFile | None:
    """Return the network of features of the run that `--config` repeats; None where the command line names its own.

    Raises:
        FeatureFileError, RunError: it cannot be read.
        SettingsError: it is not trusted.
    """
    if "repeats_features" not in given:
        return None
    trusts = given.get("trust", False)
    try:
        run = Run.open(given["repeats_features"])
    except RunError:  # as in `kept_code`
        return _trusted_features(FeatureFile.read(Path(given["features"])), given["features"], trusts=trusts)
    return features_of(run, trusts=trusts)


def kept_code(given: Mapping[str, Any]) -> UserCode | None:
    """Return what an earlier run keeps of a user's own code, and a new search of these options takes from it.

    It is the space of the run that `--config` repeats, or the parts of the model that `--from` samples from. None where
    the command line names the file itself, or there is none.
    """
    own_file, trusts = given["space"].endswith(".py"), given.get("trust", False)
    if "repeats" in given and own_file:
        try:
            run = Run.open(given["repeats"])
        except RunError:  # its search.json was taken out of its folder
            return trusted(UserCode.read(Path(given["space"])), trusts=trusts)
        return code_of(run, trusts=trusts)
    if "trained" in given and not own_file:
        return code_of(Run.open(given["trained"][0]), trusts=trusts)
    return None


def open_trusted(path: str | Path, *, trusts: bool) -> Run:
    """Return a run; this process then knows the parts that the run's own space file defines, for `Variant.from_flat`.

    Where it defines none, nothing is executed.
    """
    run = Run.open(path)
    if run.settings().get("code", {}).get("parts") and (code := code_of(run, trusts=trusts)) is not None:
        install(code)
    return run


def _trusted_features(file: FeatureFile, where: str, *, trusts: bool) -> FeatureFile:
    """Return a network that this user trusts; `where` is its place, for the error."""
    if trusts:
        remember_features(file)
    elif not _noted(file.sha256):
        raise SettingsError(
            f"this would load {where}, which can run code, and you began no search with it on this machine: "
            "give --trust if you know whose it is"
        )
    return file


def _remember(digest: str, name: str) -> None:
    with suppress(OSError):  # without a cache, --trust is to be given each time
        write_whole(_note(digest), f"{name}\n".encode())


def _noted(digest: str) -> bool:
    """Return whether this user trusts what has a digest; others can write to a cache beside temporary files."""
    try:
        return _note(digest).stat().st_uid == os.getuid()
    except OSError:
        return False


def _note(digest: str) -> Path:
    return cache_dir() / "trusted" / digest
