"""A run on disk; no other module knows how one lies there, but for the names that a trial gives to its own files.

    runs/<name>/
      search.json      settings, versions, seeds, checksums, the metric and its floor, the run's status
      log.jsonl        every event of every trial, the source of truth, see analysis/log.py
      trials.parquet   derived from the log, see analysis/tables.py for the columns
      curves.parquet   likewise
      ranking.csv      the trials as analysis/rank.py orders them
      report.html      the page that analysis/report.py makes
      evaluation.parquet   what search/evaluate.py measured, see analysis/evaluations.py
      study.journal    the Optuna study, of the run's name
      samples/         <trial>.png a grid of its samples, <trial>-strip.png its degradation
      checkpoints/     <trial>.pt
      artifacts/       the same pictures as the Optuna study names them
      tensorboard/     <trial>/events*
      confirm/         a run of its own: the best trials again, with fresh seeds
      ray/             Ray Tune's own state; nothing reads it again

A run is read through a copy of its folder as well as through the original, also while it goes on.
"""

import io
import json
import os
import re
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from analysis.log import Event, Log, RunError, finite
from analysis.tables import Fold

__all__ = ["Event", "Run", "RunError", "write_atomically"]


class Run:
    """One run's folder and, in memory, the state that its log tells; reading costs what the log grew by.

    Attributes:
        path: the run's folder.
        study_file, ranking, report, evaluation: its files.
        samples, artifacts, checkpoints, tensorboard, confirmation, ray: its folders.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.study_file = path / "study.journal"
        self.ranking = path / "ranking.csv"
        self.report = path / "report.html"
        self.evaluation = path / "evaluation.parquet"
        self.samples = path / "samples"
        self.artifacts = path / "artifacts"
        self.checkpoints = path / "checkpoints"
        self.tensorboard = path / "tensorboard"
        self.confirmation = path / "confirm"
        self.ray = path / "ray"
        self._settings = path / "search.json"
        self._log = Log(path / "log.jsonl")
        self._fold = Fold()

    @classmethod
    def create(cls, root: str | Path, name: str) -> Self:
        """Make the folder of a new run.

        Raises:
            RunError: the name is not a file name or is taken, or root cannot be written to.
        """
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
            raise RunError(f"run name {name!r}: give one of letters, digits, '.', '_' and '-', such as degradations-2")
        run = cls(Path(root) / name)
        if run._log.path.is_file():
            raise RunError(f"{run.path} exists already: continue it with --resume {name}, or give another --name")
        if run.path.exists():
            raise RunError(f"{run.path} exists already and is not a run: give another --name")
        try:
            run.path.mkdir(parents=True)
            for folder in (run.samples, run.artifacts, run.checkpoints, run.tensorboard, run.ray):
                folder.mkdir()
            run._log.path.touch()
        except OSError as error:
            raise RunError(f"cannot write to {root}, {error.strerror}: give a writable --storage-path") from None
        return run

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open a run or a copy of one.

        Raises:
            RunError: there is no such folder, it is not a run's, or its log is damaged other than at its end.
        """
        run = cls(Path(path))
        if not run.path.is_dir():
            raise RunError(f"no run at {path}: give the folder of a run, such as runs/degradations")
        if not run._log.path.is_file():
            raise RunError(f"{path} is not a run, it has no {run._log.path.name}: give the folder of one run")
        run._read_on()
        return run

    @property
    def name(self) -> str:
        """The name of the run and of its Optuna study, however the path to it was written."""
        return self.path.resolve().name

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as its path: Ray Tune pickles its callbacks, and an open log has no place there."""
        return type(self), (self.path,)

    def sample_grid(self, trial: str) -> Path:
        """Return the path of the PNG of images that a trial generated, there from its first report on."""
        return self.samples / f"{trial}.png"

    def degradation_strip(self, trial: str) -> Path:
        """Return the path of the PNG that shows a trial's degradation, there from its first report on."""
        return self.samples / f"{trial}-strip.png"

    def confirmed(self) -> Self | None:
        """Return the run of the trials that were trained again with fresh seeds, None where there is none yet."""
        return self.open(self.confirmation) if (self.confirmation / self._log.path.name).is_file() else None

    def settings(self) -> dict[str, Any]:
        """Return what search.json says; empty before the first `write_settings`.

        Raises:
            RunError: it is not JSON.
        """
        if not self._settings.is_file():
            return {}
        try:
            return json.loads(self._settings.read_text())
        except ValueError as error:
            raise RunError(f"{self._settings} is not JSON, {error}: put it right or remove it") from None

    def write_settings(self, settings: dict[str, Any]) -> None:
        """Replace search.json."""
        write_atomically(self._settings, (json.dumps(finite(settings), indent=2) + "\n").encode())

    def append(self, event: Event) -> bool:
        """Add an event to the log, on disk when this returns.

        Returns:
            Whether it counts: a report at images_seen for which its trial has one does not.

        Raises:
            ValueError: the event is of no known kind or lacks a field, see analysis/log.py.
            RunError: the log cannot be written, because the disk is full or the folder is read-only.
        """
        self._read_on()
        return self._fold.add(self._log.append(event))

    def events(self) -> list[Event]:
        """Return the events that count, in the log's order: all but the reports that repeat an earlier one."""
        self._read_on()
        return list(self._fold.events)

    def trials(self) -> pa.Table:
        """Return one row a trial; the columns are those of analysis/tables.py."""
        self._read_on()
        return self._fold.trials()

    def curves(self) -> pa.Table:
        """Return one row a report; the columns are those of analysis/tables.py."""
        self._read_on()
        return self._fold.curves()

    def write_tables(self) -> None:
        """Replace trials.parquet and curves.parquet."""
        for name, table in (("trials", self.trials()), ("curves", self.curves())):
            data = io.BytesIO()
            pq.write_table(table, data)
            write_atomically(self.path / f"{name}.parquet", data.getvalue())

    def close(self) -> None:
        """Close the log's file; the next `append` opens it again."""
        self._log.close()

    def _read_on(self) -> None:
        for event in self._log.read_on():
            self._fold.add(event)


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file such that a reader, or a crash, finds the old one or the new one, never a part of one."""
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
