"""The Optuna study of a run: a journal file that agrees with the run's log, and what the study is told of its trials.

The log is the search; the journal serves Optuna's samplers and optuna-dashboard. A journal that is lost, damaged, older
than the log or of another run is made anew from the log.
"""

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.study import StudyDirection
from optuna.trial import FixedTrial, FrozenTrial, TrialState, create_trial

from analysis.run.earlier import EarlierTrial
from analysis.run.events import Start, State, Value
from search.history import History, end_state
from search.settings import Settings
from search.space.space import Space
from trainables.config import Flat
from trainables.domain import ConfigError
from trainables.report import Report

# Names of Optuna constraints: a trial that breaks one is infeasible; TPE ranks it last, best_trial leaves it out.
DIVERGED = "diverged"
OUTSIDE = "outside the space"

# What a search can minimise, by the last report. Seconds are those of the training, at the pace of its last stretch.
OBJECTIVES: dict[str, Callable[[Report], float]] = {
    "fmd": lambda report: report.fmd,
    "nfe": lambda report: report.nfe,
    "parameters": lambda report: report.parameters,
    "seconds": lambda report: report.images_seen / report.images_per_second,
}

# The states in which a trial can end, and what they are in the study.
ENDS: dict[State, TrialState] = {
    "COMPLETE": TrialState.COMPLETE,
    "PRUNED": TrialState.PRUNED,
    "FAILED": TrialState.FAIL,
}


def run_state(state: TrialState) -> State:
    """Return the state of a trial that has ended in the study."""
    return next((name for name, its in ENDS.items() if its == state), "FAILED")


def open_study(
    path: Path, settings: Settings, space: Space, history: History, note: Callable[[str], None] = print
) -> optuna.Study:
    """Open the study of a run for the one process that searches in it.

    A study that does not agree with the log in `history` is made anew from it, and `note` is told so.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = read_study(path, lambda study: _agrees(study, settings, history))
    if study is None:
        if history.starts:
            reason = "does not agree with the log" if path.exists() else "is lost"
            note(f"{path.name} {reason}; it is made anew from the log")
        part = path.with_name(f".{path.name}.part")
        _remove(part)
        _create(part, settings).add_trials(_from_log(settings, space, history))
        _remove(path)
        part.replace(path)
        study = _create(path, settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names(list(settings.objectives))
    return study


def reopen(study: optuna.Study, number: int) -> optuna.Trial:
    """Return the trial of this number, which has not ended, to report to it.

    Optuna has no public way from a number to a trial that `ask` returned in an earlier process, so this is the one
    place that takes the identifier in the storage from a private attribute.
    """
    return optuna.Trial(study, study.get_trials(deepcopy=False)[number]._trial_id)


def tell_report(study: optuna.Study, number: int, report: Report) -> None:
    """Enter a report as the value at its images seen; one that is there already is left as it is.

    A study of two objectives takes no values but those at a trial's end.
    """
    frozen = study.get_trials(deepcopy=False)[number]
    if report.diverged and DIVERGED not in frozen.constraints:
        reopen(study, number).set_constraint(DIVERGED, 1.0)
    if len(study.directions) == 1 and report.images_seen not in frozen.intermediate_values:
        reopen(study, number).report(report.fmd, report.images_seen)


def tell_end(study: optuna.Study, number: int, state: State, last: Report | None, objectives: tuple[str, ...]) -> None:
    """Close a trial: COMPLETE with the objectives of its last report, PRUNED and FAILED without values."""
    study.tell(number, objective_values(state, last, objectives), state=ENDS[state])


def objective_values(state: State | None, last: Report | None, objectives: tuple[str, ...]) -> list[float] | None:
    """Return the values with which a trial that has ended is told to a study; None unless it is COMPLETE."""
    return [OBJECTIVES[name](last) for name in objectives] if state == "COMPLETE" and last is not None else None


def read_study(path: Path, is_right: Callable[[optuna.Study], bool] = lambda study: True) -> optuna.Study | None:
    """Return the study of a journal, for the one process that is at work in its run.

    None where there is no journal, it cannot be read, it has other than one study, or that one is not right. A process
    that was killed while it wrote leaves a last line without its end, to which the next line would be glued, and a lock
    that nobody holds; both are removed.
    """
    if not path.exists():
        return None
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if whole != data:
        with path.open("r+b") as file:
            file.truncate(len(whole))
    Path(f"{path}.lock").unlink(missing_ok=True)
    try:
        for line in whole.splitlines():
            json.loads(line)  # Optuna itself passes over a last line that is none, and stops at the next one
        storage = _storage(path)
        (name,) = optuna.get_all_study_names(storage)
        study = optuna.load_study(study_name=name, storage=storage)
        return study if is_right(study) else None
    except OSError:  # the disk's fault, not the journal's
        raise
    except Exception:  # Optuna raises whatever a damaged line leads to; `open_study` says that it is made anew
        return None


def _create(path: Path, settings: Settings) -> optuna.Study:
    """Return the study of a journal, a new one of the search's name where the journal has none."""
    storage = _storage(path)
    names = optuna.get_all_study_names(storage) or [settings.name]
    directions = [StudyDirection.MINIMIZE for _ in settings.objectives]
    return optuna.create_study(study_name=names[0], storage=storage, directions=directions, load_if_exists=True)


def _storage(path: Path) -> JournalStorage:
    """Return the storage of a journal, with a lock that needs no symbolic link, which not every file system has."""
    return JournalStorage(JournalFileBackend(str(path), lock_obj=JournalFileOpenLock(str(path))))


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    Path(f"{path}.lock").unlink(missing_ok=True)


def _agrees(study: optuna.Study, settings: Settings, history: History) -> bool:
    """Return whether a study fits the log: it lacks events at most, and is ahead by one report or end at most."""
    trials = study.get_trials(deepcopy=False)
    logged = {start.number: name for name, start in history.starts.items()}
    if len(study.directions) != len(settings.objectives) or any(number >= len(trials) for number in logged):
        return False
    for frozen in trials:
        name = logged.get(frozen.number)
        if name is None and frozen.intermediate_values:
            return False
        if name is not None and not _is_trial(frozen, history.starts[name], history):
            return False
    return True


def _is_trial(frozen: FrozenTrial, start: Start, history: History) -> bool:
    attributes = frozen.user_attrs
    known = {name: attributes.get(name) for name in ("trial", "seed", "baseline")}
    if known != {"trial": start.trial, "seed": start.seed, "baseline": start.baseline}:
        return False
    if json.loads(attributes.get("variant", "null")) != dict(start.variant):
        return False
    values = frozen.intermediate_values
    reports = history.reports.get(start.trial, [])
    if any(values.get(report.images_seen, report.fmd) != report.fmd for report in reports):
        return False
    ended = history.ended.get(start.trial)
    return ended is None or not frozen.state.is_finished() or run_state(frozen.state) == ended


def _from_log(settings: Settings, space: Space, history: History) -> list[FrozenTrial]:
    """Return the trials of a study that agrees with the log; a number that the log lacks failed before it started."""
    by_number = {start.number: start for start in history.starts.values()}
    return [
        _trial(by_number[number], settings, space, history)
        if number in by_number
        else create_trial(state=TrialState.FAIL)
        for number in range(max(by_number, default=-1) + 1)
    ]


def _trial(start: Start, settings: Settings, space: Space, history: History) -> FrozenTrial:
    reports, ended = history.reports.get(start.trial, []), history.ended.get(start.trial)
    return as_trial(settings, space, start.variant, reports, ended, start.baseline, attributes_of(start))


def as_trial(
    settings: Settings,
    space: Space,
    variant: Mapping[str, Value],
    reports: Sequence[Report],
    ended: State | None,
    baseline: str = "",
    attributes: dict[str, Any] | None = None,
) -> FrozenTrial:
    """Return a study's trial of a variant, with these reports; `ended` is None for one that is open."""
    params, distributions = parameters(space, dict(variant))
    constraints = {}
    if not params and baseline:
        constraints[OUTSIDE] = 1.0
    if any(report.diverged for report in reports):
        constraints[DIVERGED] = 1.0
    single = len(settings.objectives) == 1
    return create_trial(
        state=TrialState.RUNNING if ended is None else ENDS[ended],
        values=objective_values(ended, reports[-1] if reports else None, settings.objectives),
        params=params,
        distributions=distributions,
        user_attrs=attributes,
        intermediate_values={report.images_seen: report.fmd for report in reports} if single else {},
        constraints=constraints,
    )


def attributes_of(start: Start) -> dict[str, str | int]:
    """Return what a study's trial keeps of its start."""
    return {
        "trial": start.trial,
        "number": start.number,
        "seed": start.seed,
        "baseline": start.baseline,
        "variant": json.dumps(dict(start.variant)),
    }


def parameters(space: Space, variant: Flat) -> tuple[Flat, dict[str, BaseDistribution]]:
    """Return the parameters and distributions with which a space draws a variant; none where it cannot draw it."""
    if space.answers_for(variant) is None:
        return {}, {}
    trial = FixedTrial(variant)
    try:
        space.draw(trial)
    except ConfigError:  # a space that does not draw the same again
        return {}, {}
    return trial.params, trial.distributions


def prior_trials(earlier: Sequence[EarlierTrial], settings: Settings, space: Space) -> list[FrozenTrial]:
    """Return earlier trials that the space draws, in their order, numbered up to -1: before those of the search.

    A trial with a value at the full budget is COMPLETE, another one PRUNED at its last images seen. With two objectives
    only those that are COMPLETE tell anything.
    """
    ended = [(one, end_state(one.reports[-1], settings.rungs[-1])) for one in earlier]
    told = [(one, state) for one, state in ended if state == "COMPLETE" or len(settings.objectives) == 1]
    trials = [as_trial(settings, space, one.variant, one.reports, state) for one, state in told]
    for number, trial in enumerate(trials, start=-len(trials)):
        trial.number = number
    return trials
