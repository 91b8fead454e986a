"""`--from RUN/TRIAL`: a search that only samples from a model that another run trained."""

from typing import Any

from analysis.run.run import Run
from analysis.run.storage import Folder
from analysis.run.tables import fields
from search.config_file import OF_TRAINED
from search.declaration import SettingsError
from search.settings import located
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
    run = Run.open(located(folder))
    row, settings = _row(run, trial, f"--from {folder}/{trial}"), run.begun_settings()["settings"]
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


def _row(run: Run, trial: str, asked: str) -> dict[str, Any]:
    """Return the row of a trial whose training has ended and whose checkpoint is kept."""
    rows = {row["trial"]: row for row in run.trials().to_pylist()}
    kept = run.kept_checkpoints()
    if trial not in kept or trial not in rows:
        there = f"kept are those of {', '.join(kept)}" if kept else "it keeps none"
        raise SettingsError(f"{asked}: {run.uri} has no checkpoint of a trial {trial!r}; {there}")
    if rows[trial]["state"] in ("RUNNING", "PAUSED"):
        raise SettingsError(f"{asked}: it is still in training; wait for its end, or --resume {run.name}")
    return rows[trial]
