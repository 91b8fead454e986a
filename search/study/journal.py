"""The Optuna study of a run: a journal file that survives a crash, what a trial is called, how its end is told."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from trainables.config import Flat

State = Literal["COMPLETE", "PRUNED", "FAIL"]

# Names of Optuna constraints: a trial that breaks one is infeasible; TPE ranks it last, best_trial leaves it out.
DIVERGED = "diverged"
OUTSIDE = "outside the space"

# What a search can minimise, as a report has it. Seconds are those of the training, at the pace of its last stretch.
OBJECTIVES: dict[str, Callable[[dict[str, Any]], float]] = {
    "fmd": lambda report: report["fmd"],
    "nfe": lambda report: report["nfe"],
    "parameters": lambda report: report["parameters"],
    "seconds": lambda report: report["images_seen"] / report["images_per_second"],
}


def open_storage(journal: Path) -> JournalStorage:
    """Open a study's journal for the one process that drives its run, after a crash if need be.

    A process killed while it wrote leaves a last line without its end, to which the next line would be glued, and a
    lock that nobody holds; both are removed.
    """
    if journal.exists():
        data = journal.read_bytes()
        if not data.endswith(b"\n"):
            with journal.open("r+b") as file:
                file.truncate(data.rfind(b"\n") + 1)
        Path(f"{journal}.lock").unlink(missing_ok=True)
    return JournalStorage(JournalFileBackend(str(journal)))


def trial_seed(seed: int, number: int) -> int:
    """Return the seed of a search's trial `number`: 32 bits, unrelated to those of its neighbours."""
    return int(np.random.SeedSequence((seed, number)).generate_state(1)[0])


def trial_name(number: int, baseline: str, variant: Flat, searched: tuple[str, ...]) -> str:
    """Return a name unique in the run and good for a file: number and baseline, or number and first text searched."""
    texts = (variant[name] for name in (*searched, "degradation/kind") if isinstance(variant.get(name), str))
    return f"{number:03d}-" + re.sub(r"[^A-Za-z0-9.+-]+", "_", baseline or str(next(texts)))


def state_at(report: dict[str, Any] | None, full: int) -> State:
    """Return how a trial ended whose last report this is: COMPLETE only at the full budget, FAIL without a report."""
    if report is None:
        return "FAIL"
    return "COMPLETE" if report["images_seen"] >= full and not report["diverged"] else "PRUNED"


def state_of(finished: FrozenTrial) -> State:
    """Return how a finished trial of the study ended."""
    return cast(State, finished.state.name)


def tell_report(trial: optuna.Trial, report: dict[str, Any]) -> None:
    """Enter a report as the value at its images seen; one that is there already is left as it is.

    A study of two objectives takes no values but those at a trial's end.
    """
    if report["diverged"] and DIVERGED not in trial.constraints:
        trial.set_constraint(DIVERGED, 1.0)
    known = trial.storage.get_trial(trial._trial_id).intermediate_values
    if len(trial.study.directions) == 1 and report["images_seen"] not in known:
        trial.report(report["fmd"], report["images_seen"])


def tell_end(trial: optuna.Trial, state: State, last: dict[str, Any] | None, objectives: tuple[str, ...]) -> None:
    """Close a trial: COMPLETE with the objectives of its last report, PRUNED and FAIL without values of their own."""
    values = [OBJECTIVES[name](last) for name in objectives] if state == "COMPLETE" and last is not None else None
    trial.study.tell(trial, values, state=TrialState[state])
