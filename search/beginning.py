"""How a search begins, and how a run goes on: the options become a machine, a space, settings and images."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from analysis.run.run import Run
from search.confirmation.kinds import fields_compared
from search.declaration import SettingsError
from search.earlier.earlier_runs import take_over, with_runs, with_trained
from search.earlier.warm_start import WarmStart
from search.execution.address import address_of
from search.machine import Cluster, Machine, this_machine
from search.pace import guessed, measured
from search.plan import plan
from search.progress.budget import say_at
from search.resuming import begun, nothing_left, open_run, with_place, with_space
from search.settings import Settings
from search.space.load import load as load_space
from search.space.space import Space
from search.trust import code_of, features_of, kept_code, kept_features, remember
from trainables.data.card import card, summary
from trainables.data.images import Images
from trainables.data.load import load as load_data
from trainables.data.options import ReadOptions
from trainables.metric.classifier import load_weights, untrained
from trainables.metric.feature_file import FeatureFile, require_features
from trainables.metric.fmd import Reference
from trainables.user_code import UserCode

# Imports inside functions: Ray takes a second or more, and --dry-run, and errors before a search, do not need it.


def begin(given: dict[str, Any], began: float) -> int:
    """Begin a new search with options by name, or print its plan for --dry-run; return the exit status.

    With --auto-resume a run of that name goes on, where there is one. `began` is when the command began, by the
    monotonic clock.

    Raises:
        UsageError: one line, before the search begins.
    """
    given = with_runs(with_trained(given))
    space = _space(given, kept_code(given))
    if space.samples_only and "trained" not in given:
        raise SettingsError(f"--space {space.given} samples from a trained model: give --from RUN/TRIAL")
    given.setdefault("dataset", space.dataset)
    with _machine(given, began) as machine:
        return _begin(given, space, machine, began)


def _begin(given: dict[str, Any], space: Space, machine: Machine | Cluster, began: float) -> int:
    settings = Settings.resolve(given, space.given, space.digest, machine)
    fields_compared(settings, space)  # refuses what it cannot compare
    if not given.get("auto_resume"):
        Run.require_new(settings.storage_path, settings.name)
    images = _images(settings, given, began)
    if not images.labelled:
        given = without_classes(given, settings.dataset, space)
        space = _space(given, space.code)
        settings = Settings.resolve(given, space.given, space.digest, machine)
        fields_compared(settings, space)
    file = _features(settings, given, images)
    if given.get("dry_run"):
        print(f"{settings.dataset}\n{card(images)}")
        print(_plan(settings, space, images, file, machine, measures_gpu=given.get("trials_per_gpu") == "auto"))
        return 0
    if space.code is not None:
        remember(space.code)
    if file is not None:
        remember(file)
    if given.get("auto_resume") and (run := begun(settings, given)):
        return _go_on(run, machine, given, space.code, file, began, images)
    from search.stages import run_session  # 6 s, most of it Ray Tune: a refusal or a plan needs none of it

    return run_session(None, settings, space, images, file, machine, given, began)


def _features(settings: Settings, given: dict[str, Any], images: Images) -> FeatureFile | None:
    """Return the network of --features, tried on the images; None where the classifier's features are compared."""
    if settings.features is None:
        return None
    file = kept_features(given) or FeatureFile.read(Path(settings.features))
    require_features(file, images)
    return file


def _plan(
    settings: Settings,
    space: Space,
    images: Images,
    file: FeatureFile | None,
    machine: Machine | Cluster,
    *,
    measures_gpu: bool,
) -> str:
    """Return the text of --dry-run."""
    earlier = []
    if settings.warm_start:
        weights = replace(load_weights(images.name, images.checksums), file=file)
        earlier = take_over(settings, images.checksums, Reference.build(images, weights=weights).card())
    warm_start = WarmStart.of(earlier, space, settings.rungs[-1])
    here = isinstance(machine, Machine) and not settings.gpus_per_trial and not settings.trained
    pace = measured(settings, space, warm_start, images) if here else guessed(settings, images.shape)
    to_train = untrained(images, others=settings.confirm > 0)
    return plan(settings, space, pace, warm_start, measures_gpu, len(to_train))


def resume(given: dict[str, Any], began: float) -> int:
    """Go on with the run that --resume names; return the exit status. See `begin`."""
    given = with_place(given)
    run = open_run(given["storage_path"], given["resume"])
    trusts = given.get("trust", False)
    code, file = code_of(run, trusts=trusts), features_of(run, trusts=trusts)
    with _machine(given, began - run.used_seconds()) as machine:
        return _go_on(run, machine, given, code, file, began)


def _go_on(
    run: Run,
    machine: Machine | Cluster,
    given: dict[str, Any],
    code: UserCode | None,
    file: FeatureFile | None,
    began: float,
    images: Images | None = None,
) -> int:
    from search.stages import close_again, run_session  # 6 s, as in `begin`

    settings = replace(Settings.resume(run.settings()["settings"], given, machine), name=run.name)  # its folder's now
    if (why := nothing_left(run, settings)) is not None:
        return close_again(run, why)
    space = load_space(settings.space, settings.fixed, settings.only, settings.exact, code)
    settings = with_space(run, settings, space)
    fields_compared(settings, space)
    images = images or _images(settings, given, began - run.used_seconds())
    return run_session(run, settings, space, images, file, machine, given, began)


@contextmanager
def _machine(given: dict[str, Any], began: float) -> Iterator[Machine | Cluster]:
    """Yield this machine, or the cluster that an option or the environment names, which is connected until the end."""

    def say(line: str) -> None:
        if not given.get("quiet"):
            say_at(began, line)

    address = address_of(given.get("address"))
    if address is None:
        yield this_machine(lambda line: say_at(began, line))
        return
    if "address" not in given:
        say(f"{address.source}: the trials run on that cluster; --address local says otherwise")
    # Both import Ray, which takes 1.4 s; a search on one machine imports it later.
    from search.execution.cluster import join_ray
    from search.execution.connection import disconnect

    try:
        yield join_ray(address, say)
    finally:
        disconnect()


def _space(given: dict[str, Any], code: UserCode | None) -> Space:
    return load_space(given["space"], given["fixed"], given.get("only", ()), given.get("exact", False), code)


def _images(settings: Settings, given: dict[str, Any], began: float) -> Images:
    """Return the data set; how far its reading is, and what it holds, is said unless `given` has --quiet."""

    def say(line: str) -> None:
        if not (given.get("quiet") or given.get("dry_run")):
            say_at(began, line)

    images = load_data(settings.dataset, settings.data_dir, ReadOptions.of(vars(settings)), say)
    if images.facts:
        say(summary(images))
    return images


def without_classes(given: dict[str, Any], dataset: str, space: Space) -> dict[str, Any]:
    """Return the options given, with clusters in place of classes where the space has these: the images have no labels.

    Raises:
        SettingsError: `--set` asks for classes.
    """
    name, flat_name = "network.conditioning", "network/conditioning"
    asked = space.fixed.get(flat_name)
    if asked == "class":
        raise SettingsError(f"--set {name}=class: {dataset} has no labels of two classes or more; use {name}=cluster")
    if asked is not None or all(variant[flat_name] != "class" for variant, _ in space.draws):
        return given
    return {**given, "fixed": {**given["fixed"], name: "cluster"}}
