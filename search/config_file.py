"""`--config FILE`: options from a YAML file, or from the search.json of an earlier run."""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from analysis.run.search_json import translated
from search.declaration import Option, SettingsError
from search.settings import with_budgets
from trainables.data.options import READ_OPTIONS

# What a trained trial, of --from, brings along.
OF_TRAINED = {"dataset", "data_dir", "max_images", "grace_images", *READ_OPTIONS}
# Two ways to say the same; the one on the command line wins.
SHARES = {"gpus_per_trial", "trials_per_gpu"}
NOTHING = ("", "~", "null")


def from_file(path: str, declared: Mapping[str, Option], given: dict[str, Any]) -> dict[str, Any]:
    """Return the options in a file, replaced by those `given` on the command line.

    With the space of an earlier run comes `repeats`, the folder of that run, and with its network of features
    `repeats_features`.
    """
    texts = _texts(path)
    of_run = isinstance(texts.get("settings"), dict)
    if of_run:
        try:
            texts = _of_run(texts, declared)
        except (AttributeError, KeyError, TypeError) as error:
            damaged = f"it is a damaged search.json ({type(error).__name__}: {error})"
            raise SettingsError(f"--config {path}: {damaged}; give that of another run, or a YAML file") from None
    allowed = {name: one for name, one in declared.items() if name not in ("config", "trust")}
    read = read_options(texts, allowed, f"--config {path}: ")
    folder = str(Path(path).expanduser().absolute().parent)
    if of_run and "space" not in given:
        read["repeats"] = folder
    if of_run and "features" in read and "features" not in given:
        read["repeats_features"] = folder
    return _replaced(read, given)


def read_options(texts: Mapping[str, Any], declared: Mapping[str, Option], label: str) -> dict[str, Any]:
    """Return the values of options that texts, or lists and mappings of texts, write; `label` begins an error.

    Raises:
        SettingsError: there is no such option, or it has no such value.
    """
    keys = {one.key: name for name, one in declared.items()}
    read: dict[str, Any] = {}
    for key, text in texts.items():
        name = keys.get(key.replace("-", "_"))
        if name is None:
            near = difflib.get_close_matches(key, keys, n=1)
            hint = f"did you mean {near[0]}?" if near else "see --help for those there are"
            raise SettingsError(f"{label}unknown option {key}; {hint}")
        if text not in NOTHING:
            read[name] = declared[name].read(text, f"{label}{key}")
    return read


def _texts(path: str) -> dict[str, Any]:
    """Return the file's mapping, with every value a text as on the command line."""
    try:
        texts = yaml.load(Path(os.path.expanduser(path)).read_text("utf-8"), yaml.BaseLoader)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise SettingsError(f"--config {path}: cannot be read ({reason}); give a YAML file of options") from None
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise SettingsError(f"--config {path}: no YAML ({reason}); give lines such as `trials: 40`") from None
    if not isinstance(texts, dict):
        raise SettingsError(f"--config {path}: no options in it; give lines such as `trials: 40`")
    return texts


def _of_run(texts: dict[str, Any], declared: Mapping[str, Option]) -> dict[str, Any]:
    """Return the options that made an earlier run what it is, but for its name."""
    settings = with_budgets(translated(texts)["settings"])
    given = {one.key: settings[name] for name, one in declared.items() if name in settings and name != "name"}
    if settings["trained"] not in NOTHING:
        given["set"] = {name: text for name, text in given["set"].items() if name.startswith("sampler")}
        return {key: text for key, text in given.items() if key not in OF_TRAINED}
    return given


def _replaced(read: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    dropped = OF_TRAINED if "trained" in given else set()
    if SHARES & given.keys():
        dropped = dropped | SHARES
    replaced = {name: value for name, value in read.items() if name not in dropped} | given
    if "fixed" in read and "fixed" in given:
        replaced["fixed"] = read["fixed"] | given["fixed"]
    return replaced
