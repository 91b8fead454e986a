"""The run of one trial that trains longer than its search trained it: how it begins, and where it is scored."""

import platform
import re
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from analysis.run.events import End, Start
from analysis.run.remote import exists
from analysis.run.run import Run
from analysis.run.storage import Folder, join, parent
from analysis.run.user_files import copy_user_files
from analysis.statistics.winner import Training, training_of
from search.declaration import SettingsError
from search.winner.options import TrainOptions
from trainables.checkpoint import from_bytes
from trainables.config import Variant, parse_flat
from trainables.training.early_stopping import Patience
from trainables.trial import Plan

SCORES = 10  # of a training, unless --every says otherwise
MOST_LETTERS = 100  # of a run's name


def is_longer(run: Run) -> bool:
    """Return whether a run is a longer training."""
    return "origin" in run.settings()


def longer_run(run: Run, given: TrainOptions) -> Run:
    """Return the run that a longer training is recorded in: `run` itself, that of an earlier session, or a new one.

    Raises:
        UsageError: there is no model to train on, or the run that is there is of another training.
    """
    if is_longer(run):
        _require_as_it_began(run, given)
        return run
    training = training_of(run, given.trial)
    start, root = training.start, parent(run.uri)
    seen = 0 if given.anew else training.report.images_seen
    if given.images is None or given.images <= seen:
        raise SettingsError(f"{start.trial} has seen {seen:,} images; give a larger --images, such as 2e6")
    variant = Variant.from_flat({**start.variant, **parse_flat(given.fixed)})
    origin = {"run": run.name, "trial": start.trial, "anew": given.anew}
    name = given.name or default_name(run.name, start.trial, given.anew)
    longer = Run.open(join(root, name)) if exists(join(root, name)) else Run.create(root, name)
    before = longer.settings()
    if "settings" in before and before.get("origin") != origin:
        raise SettingsError(f"{longer.uri} is there already and of another training; give another --name")
    if not is_longer(longer):
        _begin(longer, training, origin, given.fixed, variant)
        copy_user_files(run, longer)
    return longer


def default_name(run: str, trial: str, anew: bool) -> str:
    """Return the name of a longer training that is given none; a trial's name may have letters that a run's has not."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", f"{run}-{trial}{'-anew' if anew else ''}")[:MOST_LETTERS]


def _require_as_it_began(longer: Run, given: TrainOptions) -> None:
    named = {"TRIAL": given.trial, "--anew": given.anew, "--name": given.name}
    if left_out := [flag for flag, value in named.items() if value]:
        raise SettingsError(
            f"{longer.uri} is a longer training itself, which goes on as it began; leave out {', '.join(left_out)}"
        )


def _begin(
    longer: Run, training: Training, origin: Mapping[str, Any], changes: Mapping[str, str], variant: Variant
) -> None:
    """Write what a new training starts from; search.json is the last, so that a command that was killed begins again.

    The reports of the trial come along, unless it is trained anew: the curve of the longer training continues theirs.
    """
    start, before = training.start, training.run.begun_settings()
    settings = before["settings"]
    noise = start.noise(settings["seed"])
    reports = [] if origin["anew"] else training.run.reports()[start.trial]
    if reports:
        Folder(longer.uri).save_checkpoint(start.trial, Folder(training.run.uri).require_checkpoint(start.trial))
    begun = replace(start, number=0, variant=variant.flat(), repeats=None, sampling_seed=noise, chooses=False, time=0.0)
    longer.append(begun)
    for report in reports:
        longer.append(replace(report, tried_guidance=(), tried_fmd=()))  # the guidance is that of `variant`
    versions = {"python": platform.python_version(), "diffusion-search": version("diffusion-search")}
    longer.write_settings(
        {
            "settings": {**settings, "name": longer.name, "trials": 1, "confirm": 0, "scheduler": "none"},
            "space": before.get("space", ""),
            "versions": versions,
            **{name: before[name] for name in ("data", "classifier", "metric")},
            **{name: before[name] for name in ("data_card",) if name in before},
            "origin": dict(origin),
            "changes": dict(changes),
        }
    )


def begin_session(longer: Run, given: TrainOptions) -> tuple[Start, Plan]:
    """Record that a training begins or goes on; return its start and the rungs that it has passed and is to pass.

    Raises:
        SettingsError: the training began otherwise, or there is nothing left to train.
    """
    (start,) = longer.starts().values()
    variant = Variant.from_flat(dict(start.variant))
    if Variant.from_flat({**start.variant, **parse_flat(given.fixed)}) != variant:
        raise SettingsError(f"--set: {longer.uri} began with other fields; with another --name it begins anew")
    settings = longer.begun_settings()["settings"]
    rungs = _rungs(longer, variant, start.trial, given.images or settings["rungs"][-1], given.every)
    settings |= {"rungs": list(rungs), "max_images": rungs[-1], "grace_images": rungs[0]}
    longer.update_settings(status="running", settings=settings, every=given.every)
    if start.trial in longer.ends():  # only a paused trial can start again
        longer.append(End(start.trial, "PAUSED"))
        longer.append(start)
    return start, Plan(rungs, int(start.sampling_seed or 0))


def _rungs(longer: Run, variant: Variant, trial: str, images: int, every: int | None) -> tuple[int, ...]:
    """Return the images at which a training has reported, and those at which it will, up to `images`."""
    checkpoint = Folder(longer.uri).load_checkpoint(trial)
    state = None if checkpoint is None else from_bytes(checkpoint, trial)
    trained = 0 if state is None else state["trainer"]["images_seen"]
    if state is not None and _patience_is_lost(variant, state):
        raise SettingsError("training.patience has ended it; --set training.patience=0 and a new --name train it on")
    reported = {report.images_seen for report in longer.reports().get(trial, [])}
    if state is not None and state["report"]:  # a killed search may not have logged its last report
        reported.add(state["report"]["images_seen"])
    last = max(reported, default=0)
    if images <= last or images < trained:  # trained to the end, and killed before its score, it is scored
        raise SettingsError(f"{trial} has seen {max(last, trained):,} images; give a larger --images")
    step = every or -(-images // SCORES)
    to_come = [rung for rung in range(step, images, step) if rung > last and rung >= trained]
    return (*sorted(reported), *to_come, images)


def _patience_is_lost(variant: Variant, state: Mapping[str, Any]) -> bool:
    return replace(Patience(**state["trainer"]["patience"]), epochs=variant.training.patience).lost
