"""What a new search takes of earlier runs: a trained model by `--from`, trials that compare by `--warm-start`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from analysis.run.earlier import EarlierTrial
from analysis.run.run import Run
from analysis.run.storage import Folder
from analysis.run.tables import fields
from analysis.statistics.winner import models_of, run_keeping
from search.config_file import OF_TRAINED
from search.declaration import SettingsError
from search.settings import Settings, located, with_budgets
from trainables.checkpoint import from_bytes
from trainables.data.options import READ_OPTIONS


def with_trained(given: dict[str, Any]) -> dict[str, Any]:
    """Return the options given, and what a trained trial brings along where `--from` names one.

    The trial brings its data, its configuration but for the sampler, and one rung: the images that it was trained on.

    Raises:
        RunError: there is no such run.
        SettingsError: there is no such trial, it is still in training, or an option does not go with it.
        CheckpointError: its checkpoint is damaged.
    """
    if "trained" not in given:
        return given
    folder, trial = given["trained"]
    if extra := sorted(OF_TRAINED & given.keys()):
        flag = "--" + extra[0].replace("_", "-")
        raise SettingsError(f"{flag} does not go with --from: {folder}/{trial} is trained already; leave it out")
    named = Run.open(located(folder))
    run, known = run_keeping(named, [trial]), models_of(named)
    row, settings = _row(run, trial, f"--from {folder}/{trial}", known), run.begun_settings()["settings"]
    from_bytes(Folder(run.uri).require_checkpoint(trial), trial)
    fixed = {name: str(row[name]) for name in fields(run.trials()) if row[name] is not None}
    brought = {
        "trained": (run.uri, trial),
        "dataset": settings["dataset"],
        **{name: settings[name] for name in READ_OPTIONS if name in settings},
        "max_images": row["images_seen"],
        "grace_images": row["images_seen"],
        "fixed": {name: text for name, text in fixed.items() if not name.startswith("sampler/")} | given["fixed"],
    }
    if settings["data_dir"] is not None:
        brought["data_dir"] = settings["data_dir"]
    return {**given, **brought}


def _row(run: Run, trial: str, asked: str, known: Sequence[str]) -> dict[str, Any]:
    """Return the row of a trial whose training has ended and whose checkpoint is kept; the `known` ones are named."""
    rows = {row["trial"]: row for row in run.trials().to_pylist()}
    if trial not in run.kept_checkpoints() or trial not in rows:
        there = f"kept are those of {', '.join(known)}" if known else "it keeps none"
        raise SettingsError(f"{asked}: {run.uri} has no checkpoint of a trial {trial!r}; {there}")
    if rows[trial]["state"] in ("RUNNING", "PAUSED"):
        raise SettingsError(f"{asked}: it is still in training; wait for its end, or --resume {run.name}")
    return rows[trial]


def with_runs(given: dict[str, Any]) -> dict[str, Any]:
    """Return the options given, with the places of the runs that `--warm-start` names.

    Raises:
        RunError: one is no run.
    """
    if "warm_start" not in given:
        return given
    opened = [Run.open(located(name)) for name in given["warm_start"]]
    return {**given, "warm_start": tuple(dict.fromkeys(run.uri for run in opened))}


def take_over(settings: Settings, checksums: Mapping[str, str], metric: Mapping[str, Any]) -> list[EarlierTrial]:
    """Return the trials of the runs that a new search begins with; `metric` is the card of its metric.

    Raises:
        SettingsError: a run has other data, another metric or another trained model, or no trial of it has reported.
    """
    taken: list[EarlierTrial] = []
    for place in settings.warm_start:
        run = Run.open(place)
        if (difference := _difference(run, settings, checksums, metric)) is not None:
            raise SettingsError(f"--warm-start {place}: {difference}; leave it out")
        trials = list(_trials(run, place))
        if not trials:
            raise SettingsError(f"--warm-start {place}: no trial of it has reported; leave it out")
        taken += trials
    return taken


def _difference(run: Run, settings: Settings, checksums: Mapping[str, str], metric: Mapping[str, Any]) -> str | None:
    """Return why the values of a run do not compare with those of a new search; None where they do."""
    before = run.settings()
    its = before.get("metric")
    if its is None or "settings" not in before:
        return "it ended before it began"
    if before.get("data") != checksums:
        return f"its data, {before['settings']['dataset']}, are not those of this search, {settings.dataset}"
    if (its["split"], its["version"]) != (metric["split"], metric["version"]):
        there, here = (f"{one['version']} against the {one['split']} images" for one in (its, metric))
        return f"its FMDs are {there}, here they would be {here}, which do not compare"
    theirs, ours = (list(trained or ()) for trained in (before["settings"]["trained"], settings.trained))
    if theirs != ours:
        return f"its trials sample from {_model(theirs)}, here from {_model(ours)}"
    return None


def _model(trained: Sequence[str]) -> str:
    return f"the trained model {'/'.join(trained)}" if trained else "what they train"


def _trials(run: Run, place: str) -> Iterator[EarlierTrial]:
    """Yield the trials of a run that have reported and did not fail."""
    full = with_budgets(run.settings()["settings"])["max_images"]
    reports, ends = run.reports(), run.ends()
    for name, start in run.starts().items():
        if name in reports and (name not in ends or ends[name].state != "FAILED"):
            ordered = tuple(sorted(reports[name], key=lambda report: report.images_seen))
            yield EarlierTrial(place, name, full, dict(start.variant), ordered)
