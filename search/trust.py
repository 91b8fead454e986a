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

from analysis.run.run import Run, RunError
from analysis.run.user_files import read_code, read_features
from search.declaration import SettingsError
from trainables.data.cache import cache_dir, write_whole
from trainables.metric.feature_file import FeatureFile
from trainables.parts import install
from trainables.user_code import UserCode


def remember(own: UserCode | FeatureFile) -> None:
    """Note that this user trusts a code or a network of features, from now on and with any run."""
    name = f"{own.folder}/{own.main}" if isinstance(own, UserCode) else own.name
    with suppress(OSError):  # without a cache, --trust is to be given each time
        write_whole(_note(own), f"{name}\n".encode())


def code_of(run: Run, *, trusts: bool) -> UserCode | None:
    """Return the code of the user's own that a run was begun with, None for a space of the project.

    `trusts` is whether the command line says that this user trusts it.

    Raises:
        CodeError, RunError: a file cannot be read.
        SettingsError: it is not trusted.
    """
    code = read_code(run)
    space = str(run.settings().get("settings", {}).get("space", ""))
    if code is None and space.endswith(".py"):  # up to version 0.3.0 a run kept no copy
        code = UserCode.read(Path(space))
    return None if code is None else _trusted_code(code, trusts=trusts)


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
    if (run := _repeated(given["repeats_features"])) is not None:
        return features_of(run, trusts=trusts)
    return _trusted_features(FeatureFile.read(Path(given["features"])), given["features"], trusts=trusts)


def kept_code(given: Mapping[str, Any]) -> UserCode | None:
    """Return what an earlier run keeps of a user's own code, and a new search of these options takes from it.

    It is the space of the run that `--config` repeats, or the parts of the model that `--from` samples from. None where
    the command line names the file itself, or there is none.
    """
    own_file, trusts = given["space"].endswith(".py"), given.get("trust", False)
    if "repeats" in given and own_file:
        if (run := _repeated(given["repeats"])) is not None:
            return code_of(run, trusts=trusts)
        return _trusted_code(UserCode.read(Path(given["space"])), trusts=trusts)
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


def _repeated(folder: str) -> Run | None:
    """Return the run of a search.json; None where the file was taken out of the run's folder."""
    try:
        return Run.open(folder)
    except RunError:
        return None


def _trusted_code(code: UserCode, *, trusts: bool) -> UserCode:
    _require_trust(code, f"execute {Path(code.folder, code.main)}", "read it, and give --trust if it may run", trusts)
    return code


def _trusted_features(file: FeatureFile, where: str, *, trusts: bool) -> FeatureFile:
    _require_trust(file, f"load {where}, which can run code", "give --trust if you know whose it is", trusts)
    return file


def _require_trust(own: UserCode | FeatureFile, does: str, right: str, trusts: bool) -> None:
    """Remember what the command line trusts; raise SettingsError for what this user did not trust before.

    Others can write to a cache beside temporary files, so a note counts only if it is this user's.
    """
    if trusts:
        remember(own)
        return
    try:
        is_noted = _note(own).stat().st_uid == os.getuid()
    except OSError:
        is_noted = False
    if not is_noted:
        raise SettingsError(f"this would {does}, and you began no search with it on this machine: {right}")


def _note(own: UserCode | FeatureFile) -> Path:
    return cache_dir() / "trusted" / (own.digest if isinstance(own, UserCode) else own.sha256)
