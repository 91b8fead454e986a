"""Checks before a run is resumed."""

import difflib
import json
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from analysis.run.remote import exists, names
from analysis.run.run import Run
from analysis.run.storage import join, parent
from search.declaration import Resume, SettingsError, options
from search.options import SearchOptions
from search.settings import Settings, located
from search.space.space import Space
from trainables.config import Flat, Variant
from trainables.domain import ConfigError


def with_place(given: dict[str, Any]) -> dict[str, Any]:
    """Return the options given, with the place and the name of the run that `--resume` names or is the path of.

    Raises:
        SettingsError: a path, and another place beside it.
    """
    place, run = located(given.get("storage_path", "runs")), given["resume"]
    if "/" not in run and run not in (".", ".."):
        return {**given, "storage_path": place}
    path = located(run)
    if "storage_path" in given and parent(path) != place:
        raise SettingsError(f"--resume {run} --storage-path {place}: the run is in {parent(path)}; leave one out")
    return {**given, "storage_path": parent(path), "resume": path.rpartition("/")[2].partition("?")[0]}


def open_run(root: str, name: str) -> Run:
    """Return the run of a name in `root`, a folder or a URI.

    Raises:
        RunError: it is damaged, or it ended before it began.
        SettingsError: there is none, or what it was begun with is lost.
    """
    if not exists(join(root, name)):
        there = names(root)
        near = difflib.get_close_matches(name, there, n=3) or there[:3]
        hint = f", there are {', '.join(near)}" if near else ""
        raise SettingsError(f"--resume {name}: there is no such run in {root}{hint}; is it in another --storage-path?")
    run = Run.open(join(root, name))
    if "origin" in run.settings():
        raise SettingsError(f"--resume {name}: it is one longer training; go on with search/train.py {run.uri}")
    if run.begun_settings()["settings"].get("warm_start") and not run.earlier_trials():
        raise SettingsError(f"--resume {name}: the trials of --warm-start are lost; bring back its {run.earlier.name}")
    return run


def begun(settings: Settings, given: dict[str, Any]) -> Run | None:
    """Return the run that `settings`, of the options `given`, would begin, if it is there already; else None.

    Raises:
        SettingsError: no run's name is given, or the run began with another value of an option that it keeps.
    """
    if "name" not in given:
        raise SettingsError("--auto-resume: the run goes on by its name; give --name")
    if Run.is_free(settings.storage_path, settings.name):
        return None
    run = open_run(settings.storage_path, settings.name)
    before, now = run.settings()["settings"], json.loads(json.dumps(settings.saved()))
    for name, one in options(SearchOptions).items():
        if name in given and one.resume is Resume.FIXED and before.get(name) != now[name]:
            raise SettingsError(f"--auto-resume: {settings.name} began with another {one.flag}; give another --name")
    return run


def require_same_data(run: Run, checksums: dict[str, str], asked: str) -> None:
    """Raise SettingsError where data are not those that a run began with; `asked` begins the message."""
    if run.settings().get("data", checksums) != checksums:
        raise SettingsError(f"{asked}: the data are not those that it began with; give its --data-dir")


def require_same_metric(run: Run, metric: str) -> None:
    """Raise SettingsError where a run goes on with another version of the metric than it began with."""
    before = run.settings()
    if before.get("metric", {}).get("version", metric) != metric:
        raise SettingsError(
            f"--resume {run.name}: its FMDs are {before['metric']['version']}, here they would be {metric}, which do "
            "not compare: its classifier, or its file of --features, is another; bring that, or search anew"
        )


def nothing_left(run: Run, settings: Settings) -> str | None:
    """Return why nothing is left to do in a run, and what would change that; None where there is work."""
    states, spent = run.trials()["state"].to_pylist(), run.used_seconds()
    if spent >= settings.time_budget:
        return f"{run.name} has had {spent:.0f} seconds; give a larger --time-budget"
    if {"RUNNING", "PAUSED"} & set(states) or len(states) < settings.trials or pending(run, settings):
        return None
    return f"{run.name} has had all its {len(states)} trials; give a larger --trials, or --confirm"


def pending(run: Run, settings: Settings) -> bool:
    """Return whether a search that has ended is to be confirmed, or confirmed further, as `settings` ask for."""
    if not settings.confirm:
        return False
    nested = run.confirmed()
    if nested is None or "settings" not in nested.settings():
        return True
    begun = nested.settings()
    before = begun["settings"]
    asked = (before["confirm"], before["seeds"], tuple(before.get("confirm_by", ())))
    wanted = (settings.confirm, settings.seeds, settings.confirm_by)
    return not begun.get("tested") or begun.get("cut", False) or asked != wanted


def with_space(run: Run, settings: Settings, space: Space) -> Settings:
    """Return the settings of a run that goes on, with the digest of its space as it is now.

    The digest differs in another version of the project for as little as an import or a field with its default. A run
    of an earlier version goes on if the space can still draw every variant that it drew.
    """
    if space.digest == settings.space_digest:
        return settings
    drawn = [dict(start.variant) for start in run.starts().values() if not start.baseline]
    if _of_earlier_version(run) and all(_drawable(space, variant) for variant in drawn):
        # The version in search.json becomes this one, so that from now on the digests have to agree.
        return replace(settings, space_digest=space.digest)
    raise SettingsError(
        f"--resume {run.name}: {space.given}, or the defaults around it, is not what it was; restore it, or search anew"
    )


def _of_earlier_version(run: Run) -> bool:
    own = version("diffusion-search")
    written = run.settings().get("versions", {}).get("diffusion-search", own)
    before, now = ([int(part) for part in text.split(".")] for text in (written, own))
    return before < now


def _drawable(space: Space, variant: Flat) -> bool:
    try:
        complete = Variant.from_flat(variant).flat()
    except ConfigError:
        return False
    return space.answers_for(complete) is not None
