"""Whole searches as processes of their own, on real MNIST with the real Ray, and the laws of a run that is done."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from analysis.run.events import Event
from analysis.run.run import Run
from search import run as command
from search.options import KEPT_CHECKPOINTS
from search.study.journal import run_state
from trainables.report import Report

SCRIPT = Path(command.__file__)
TRIALS = 7
BUDGET = ["--max-images", "2304", "--grace-images", "256", "--trials", str(TRIALS), "--confirm", "0"]
SPACE = '''
"""Very small networks, to see a search run and not to find anything."""

BASELINES = ()
STARTS = ({"training/lr": 2e-3}, {"training/lr": 3e-3, "training/target": "x0"})


def space(trial):
    trial.suggest_float("training/lr", 5e-4, 1e-2, log=True)
    trial.suggest_categorical("training/target", ["x0", "v"])
    return {"network/kind": "cnn", "network/cnn/widths": "8-8", "network/cnn/patch": 2, "sampler/steps": 4}
'''


class Searches:
    """Searches in a folder, each a process; they and all that Ray starts for them have a mark in their environment."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.mark = folder, uuid.uuid4().hex
        (folder / "tiny.py").write_text(SPACE)

    def start(self, *arguments: str, python: Path = Path(sys.executable), **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(python), *arguments],
            cwd=self.folder,
            env={**os.environ, "MARK_OF_THIS_TEST": self.mark, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(
        self, *arguments: str, python: Path = Path(sys.executable), **variables: str
    ) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, python=python, **variables)
        output, errors = process.communicate()
        return subprocess.CompletedProcess(arguments, process.returncode, output, errors)

    def processes(self) -> dict[int, str]:
        """The processes of these searches that live, by number, with their command lines."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if f"MARK_OF_THIS_TEST={self.mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
        return {number: line for number, line in found.items() if line}

    def kill(self) -> None:
        """Kill all of them at once, as when a machine loses its power."""
        while processes := self.processes():
            for number in processes:
                try:
                    os.kill(number, signal.SIGKILL)
                except ProcessLookupError:
                    continue


def wait_for(process: subprocess.Popen[str], run: Path, condition: Callable[[list[Event]], bool]) -> Run:
    """Read the log of a run that goes on until it fulfils a condition; the process must not end before."""
    while True:
        if (run / "log.jsonl").is_file():
            opened = Run.open(run)
            if condition(opened.events()):
                return opened
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def reports(run: Run) -> dict[tuple[str, int], float]:
    return {(report.trial, report.images_seen): report.fmd for reports in run.reports().values() for report in reports}


def count_reports(events: list[Event]) -> int:
    return sum(isinstance(event, Report) for event in events)


def check_run(run: Run, trials: int, baselines: tuple[str, ...] = ()) -> optuna.Study:
    """The laws of a run that is done; returns its study."""
    settings = run.settings()
    study = optuna.load_study(study_name=run.path.name, storage=JournalStorage(JournalFileBackend(str(run.study_file))))
    asked = [trial for trial in study.trials if trial.state != TrialState.WAITING]
    table = {row["trial"]: row for row in run.trials().to_pylist()}
    starts = list(run.starts())
    assert settings["status"] == "done"
    assert sorted(starts) == [trial.user_attrs["trial"] for trial in asked] == sorted(table)
    assert len(table) == trials
    assert tuple(trial.user_attrs["baseline"] for trial in asked if trial.user_attrs["baseline"]) == baselines
    curves = {(row["trial"], row["images_seen"]): row["fmd"] for row in run.curves().to_pylist()}
    assert curves == reports(run)
    for trial in asked:
        name = trial.user_attrs["trial"]
        assert table[name]["state"] == run_state(trial.state)
        assert trial.intermediate_values == {images: fmd for (of, images), fmd in curves.items() if of == name}
    assert len(run.kept_checkpoints()) <= KEPT_CHECKPOINTS
    assert set(run.kept_checkpoints()) <= {n for n, row in table.items() if row["state"] == "COMPLETE"}
    assert all((run.tensorboard / name).is_dir() for name in table)
    measured = [name for name, row in table.items() if row["fmd"] and not row["diverged"]]
    assert all(run.picture(name, "samples").is_file() for name in measured)
    assert all((run.path / file).is_file() for file in ("trials.parquet", "curves.parquet", "ranking.csv"))
    assert 0 < settings["overhead"] < 1
    assert settings["seconds"]["trials"] <= settings["slots"] * settings["wall_seconds"]
    return study
