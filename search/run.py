"""`python search/run.py --space NAME`: the command line of a search; see --help."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":
    # Python put this folder first on the path, where its modules hide others of their name; Ray's workers follow.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from analysis.run.run import Run, RunError
from analysis.run.storage import exists, join, names
from search.execution.cluster import join_ray, require_shared, start_ray
from search.machine import Cluster, Machine, MachineError, this_machine
from search.options import parse
from search.settings import Settings, SettingsError, located
from trainables.data.mnist import DataError
from trainables.domain import ConfigError

if TYPE_CHECKING:
    from search.space.space import Space
    from trainables.data.mnist import Images
    from trainables.metric.fmd import Reference


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
    with _packed(settings, space, images, machine, given) as settings:
        return _search(None, settings, space, images, machine, quiet="quiet" in given)


def _sampling(given: dict[str, Any]) -> dict[str, Any]:
    """Return what was given, and what a trained trial fixes of it."""
    from search.pretrained import Trained

    if extra := sorted({"dataset", "data_dir", "max_images", "grace_images"} & given.keys()):
        option = "--" + extra[0].replace("_", "-")
        raise SettingsError(f"{option} does not go with --from: {given['from']} is trained already; leave it out")
    trained = Trained.open(given["from"])
    return {**given, **trained.settings(), "fixed": {**trained.fixed, **given["fixed"]}}


def _resume(given: dict[str, Any]) -> int:
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
    with _packed(settings, space, images, machine, given) as settings:
        return _search(run, settings, space, images, machine, quiet="quiet" in given)


def _search(
    run: Run | None, settings: Settings, space: Space, images: Images, machine: Machine | Cluster, quiet: bool
) -> int:
    """Search in a run's folder, a new one if there is none yet; everything given has been checked by now."""
    from analysis.run.lock import held
    from search.progress.disk import in_one_line
    from search.summary import card, close, require_same, resume_command
    from trainables.metric.classifier_training import ensure_classifier
    from trainables.metric.fmd import Reference

    if isinstance(machine, Cluster):
        require_shared(settings.storage_path)
    weights = ensure_classifier(images, (lambda line: None) if quiet else print)
    reference = Reference.build(images, weights=weights)
    if run is not None:
        require_same(run, images.checksums, reference.version)
    run = run or Run.create(settings.storage_path, settings.name)
    try:
        with held(run), in_one_line(run):
            run.write_settings({**run.settings(), **card(settings, space, images, reference)})
            status = _with_ray(run, settings, space, images, reference, machine, quiet)
            return close(run, settings, status)
    except KeyboardInterrupt:
        print(f"interrupted; to go on: {resume_command(run)}")
        return 130


def _with_ray(
    run: Run,
    settings: Settings,
    space: Space,
    images: Images,
    reference: Reference,
    machine: Machine | Cluster,
    quiet: bool,
) -> str:
    if isinstance(machine, Machine):
        start_ray(machine, data_bytes=sum(array.nbytes for array in vars(images).values() if hasattr(array, "nbytes")))
    import ray

    from search.confirmation import confirm
    from search.execution.tune import search

    try:
        status = search(run, settings, space, images, reference, quiet)
        if status == "done" and settings.confirm:
            status = confirm(run, settings, images, reference, quiet)
        return status
    finally:
        ray.shutdown()


@contextmanager
def _packed(
    settings: Settings, space: Space, images: Images, machine: Machine | Cluster, given: dict[str, Any]
) -> Iterator[Settings]:
    """Yield the settings, with as many trials on a GPU as were measured to be best there if that was asked for."""
    from search.execution.mps import mps

    if given.get("trials_per_gpu") != "auto":
        with mps() if settings.mps else nullcontext():
            yield settings
        return
    from search.execution.packing import best

    say: Callable[[str], None] = (lambda line: None) if "quiet" in given else print
    with mps() if isinstance(machine, Machine) else nullcontext(False) as shared:
        trials = best(space, images.shape, machine, settings.cpus_per_trial, say)
        say("their kernels run at the same time, by MPS" if shared else "their kernels run by turns, without MPS")
        yield settings.sharing(trials, machine, shared)


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
