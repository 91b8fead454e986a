"""The model that stands for a trial, the trial that stands for a run, and the run that keeps a model."""

from collections.abc import Collection
from dataclasses import dataclass

from analysis.run.events import Start
from analysis.run.run import Run, RunError
from analysis.statistics.confirmed import confirmation_result
from analysis.statistics.ranking import ranked_rows
from trainables.report import Report

KEEPS_NOTHING = (
    "keeps no model: it keeps those of the best trials that are trained in full, and none is; "
    "go on with it by search/run.py --resume and a larger --time-budget"
)


@dataclass(frozen=True)
class Training:
    """A training whose checkpoint is kept."""

    run: Run
    """In whose folder the checkpoint lies: a search, its confirmation, or a longer training"""
    start: Start
    report: Report
    """The last one"""


def winner(run: Run) -> str | None:
    """Return the best trial by the confirmation or else by the ranking, None where none has a result."""
    result = confirmation_result(run)
    if result is not None and result.standings:
        return result.standings[0].trial
    return next((row["trial"] for row in ranked_rows(run)), None)


def training_of(run: Run, name: str | None = None) -> Training:
    """Return the training that stands for a trial of the run, by default for the winner.

    Of a trial that the confirmation trained again with fresh seeds it is the training with the lowest FMD on the images
    that judge the confirmation. Its FMD on them is too low for that reason, and that on the test images is not. Of
    another trial it is the search's own training. `name` may also be that of one training of the confirmation. Where no
    checkpoint is kept, RunError is raised.

    Raises:
        RunError: there is no such trial, or its checkpoint is not kept.
    """
    trial = winner(run) if name is None else name
    if trial is None:
        raise RunError(f"{run.uri}: no trial has a result yet")
    own, nested = _kept(run), run.confirmed()
    again = [] if nested is None else _kept(nested)
    repeats = [training for training in again if training.start.repeats == trial]
    if repeats:
        return min(repeats, key=lambda training: training.report.fmd)
    named = [training for training in (*own, *again) if training.start.trial == trial]
    if named:
        return named[0]
    there = ", ".join(training.start.trial for training in (*own, *again))
    if not there:
        raise RunError(f"{run.uri} {KEEPS_NOTHING}")
    raise RunError(f"{run.uri} keeps no model of the trial {trial}; there are those of {there}")


def run_keeping(run: Run, names: Collection[str] = ()) -> Run:
    """Return the run, or its confirmation where that alone keeps the models of all names, or any if none is named."""
    nested = run.confirmed()
    return run if nested is None or _keeps(run, names) or not _keeps(nested, names) else nested


def models_of(run: Run) -> list[str]:
    """Return the trials and trainings of a run and of its confirmation that have reported and whose model is kept."""
    parts = (run, run.confirmed())
    return [name for part in parts if part is not None for name in kept_trials(part)]


def kept_trials(run: Run) -> list[str]:
    """Return the trials of this run alone that have reported and whose checkpoint is kept."""
    reported = run.reports()
    return [name for name in run.kept_checkpoints() if name in reported]


def _keeps(run: Run, names: Collection[str]) -> bool:
    kept = kept_trials(run)
    return bool(kept) and set(names) <= set(kept)


def _kept(run: Run) -> list[Training]:
    """Return the trainings of a run that reported last without having diverged, and whose checkpoint is kept."""
    starts, reports = run.starts(), run.reports()
    kept = [name for name in kept_trials(run) if not reports[name][-1].diverged]
    return [Training(run, starts[name], reports[name][-1]) for name in kept]
