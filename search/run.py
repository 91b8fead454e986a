"""`python search/run.py --space NAME`: the command line of a search; see --help."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    # Python put this folder first on the path, where its modules hide others of their name; Ray's workers follow.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from analysis.run.run import Run, RunError
from analysis.run.storage import exists, join, names
from search.execution.cluster import join_ray
from search.machine import Cluster, Machine, MachineError, this_machine
from search.options import parse
from search.settings import Settings, SettingsError, located
from trainables.data.mnist import DataError
from trainables.domain import ConfigError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status: 0, 2 for a usage error, 3 without a result, 130 if interrupted."""
    from search.space.space import SpaceError
    from trainables.metric.classifiers import WeightsError

    try:
        given = parse(arguments)
        return _resume(given) if "resume" in given else _begin(given)
    except (SettingsError, SpaceError, ConfigError, DataError, WeightsError, RunError, MachineError) as error:
        print(f"search/run.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _begin(given: dict[str, Any]) -> int:
    from search.plan import plan
    from search.space.load import load
    from trainables.data import mnist as data

    if "from" in given:
        given = _sampling(given)
    space = load(given["space"], given["fixed"])
    if space.samples_only and "trained" not in given:
        raise SettingsError(f"--space {space.given} samples from a trained model: give --from RUN/TRIAL")
    given.setdefault("dataset", space.dataset)
    machine = _machine(given)
    settings = Settings.resolve(given, space.given, space.digest, machine)
    images = data.load(settings.dataset, settings.data_dir)
    if "dry_run" in given:
        print(plan(settings, space, measures_gpu=given.get("trials_per_gpu") == "auto"))
        return 0
    from search.session import run_session  # imports Ray, a second

    return run_session(None, settings, space, images, machine, **_how(given))


def _sampling(given: dict[str, Any]) -> dict[str, Any]:
    """Return what was given, and what a trained trial fixes of it."""
    from search.pretrained import Trained

    if extra := sorted({"dataset", "data_dir", "max_images", "grace_images"} & given.keys()):
        option = "--" + extra[0].replace("_", "-")
        raise SettingsError(f"{option} does not go with --from: {given['from']} is trained already; leave it out")
    trained = Trained.open(given["from"])
    return {**given, **trained.settings(), "fixed": {**trained.fixed, **given["fixed"]}}


def _resume(given: dict[str, Any]) -> int:
    from search.session import run_session
    from search.space.load import load
    from trainables.data import mnist as data

    run = _open(located(given.get("storage_path", "runs")), given["resume"])
    machine = _machine(given)
    settings = Settings.resume(run.settings()["settings"], given, machine)
    _require_work(run, settings)
    space = load(settings.space, settings.fixed)
    if space.digest != settings.space_digest:
        raise SettingsError(
            f"--resume {settings.name}: {space.given}, or the defaults around it, is not what it was; restore it, or "
            "search anew"
        )
    images = data.load(settings.dataset, settings.data_dir)
    return run_session(run, settings, space, images, machine, **_how(given))


def _how(given: dict[str, Any]) -> dict[str, bool]:
    return {"quiet": "quiet" in given, "measures_gpu": given.get("trials_per_gpu") == "auto"}


def _machine(given: dict[str, Any]) -> Machine | Cluster:
    return join_ray(given["address"]) if "address" in given else this_machine()


def _require_work(run: Run, settings: Settings) -> None:
    from search.summary import pending

    states = run.trials()["state"].to_pylist()
    spent = run.settings().get("wall_seconds", 0.0)
    if "RUNNING" in states or pending(run, settings):
        return
    if len(states) >= settings.trials:
        raise SettingsError(
            f"--resume {settings.name}: it has had all its {len(states)} trials; give a larger --trials, or --confirm"
        )
    if spent >= settings.time_budget:
        raise SettingsError(f"--resume {settings.name}: it has had {spent:.0f} seconds; give a larger --time-budget")


def _open(root: str, name: str) -> Run:
    if not exists(join(root, name)):
        there = names(root)
        near = difflib.get_close_matches(name, there, n=3) or there[:3]
        hint = f", there are {', '.join(near)}" if near else ""
        raise SettingsError(f"--resume {name}: there is no such run in {root}{hint}; is it in another --storage-path?")
    run = Run.open(join(root, name))
    if "settings" not in run.settings():
        raise SettingsError(f"--resume {name}: it ended before it began; remove {run.uri} and search anew")
    return run


if __name__ == "__main__":
    sys.exit(main())
