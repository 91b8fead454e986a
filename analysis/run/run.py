"""A run's folder; only this package knows the names of its files, which docs/run-format.md lists.

A run can be read while a search writes it, and from a copy of its folder. A run on object storage is worked on in a
copy, see remote.py.
"""

import io
import json
import logging
import re
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from analysis.run import search_json
from analysis.run.earlier import EarlierTrial, from_lines, to_lines
from analysis.run.events import End, Event, Start, finite
from analysis.run.log import Log, RunError
from analysis.run.remote import LOCK, Remote, copy_of, pull_unless_busy
from analysis.run.search_json import FORMAT
from analysis.run.storage import PICTURES, Disk, is_remote, join, replace_file
from analysis.run.tables import Fold
from trainables.report import Picture, Report

__all__ = ["Run", "RunError"]


class Run:
    """One run's folder and, in memory, the state that its log tells; reading costs what the log grew by.

    Attributes:
        path: the run's folder, or the copy of it on this machine.
        settings_file, study_file, earlier, ranking, report, real_images, evaluation, features, lock: its files.
        samples, artifacts, checkpoints, tensorboard, wandb, confirmation, ray, code_folder: its folders.
    """

    def __init__(self, place: Disk | Remote) -> None:
        self.path = path = place.folder
        self._place = place
        self.study_file = path / "study.journal"
        self.ranking = path / "ranking.csv"
        self.report = path / "report.html"
        self.real_images = path / "real.png"
        self.evaluation = path / "evaluation.parquet"
        self.samples = path / "samples"
        self.artifacts = path / "artifacts"
        self.checkpoints = path / "checkpoints"
        self.tensorboard = path / "tensorboard"
        self.wandb = path / "wandb"
        self.confirmation = path / "confirm"
        self.ray = path / "ray"
        self.code_folder = path / "code"
        self.features = path / "features" / "network.pt2"
        self.lock = path / LOCK
        self.settings_file = path / "search.json"
        self.earlier = path / "warm_start.jsonl"
        self._log = Log(path / "log.jsonl")
        self._fold = Fold()
        self._told = False  # that search.json is of a newer version
        self._updating = threading.Lock()

    @classmethod
    def create(cls, root: str | Path, name: str) -> Self:
        """Make the folder of a new run in `root`, a folder or a URI such as s3://bucket/runs.

        One that a crash, or a full disk, left half made is made whole.

        Raises:
            RunError: the name is not a file name or is taken, or root cannot be written to.
        """
        cls.require_new(root, name)
        run = cls._at(join(str(root), name))
        if not isinstance(run._place, Remote):
            return run._create()
        if not run._place.has(run.settings_file.name):
            shutil.rmtree(run.path, ignore_errors=True)  # the copy of a run that is not there any more
        run._create().write_settings({})
        return run

    @classmethod
    def _at(cls, path: str | Path) -> Self:
        """Return the run at a folder or a URI, whatever is there."""
        uri = str(path).rstrip("/")
        return cls(Remote(uri, copy_of(uri)) if is_remote(uri) else Disk(Path(path)))

    @classmethod
    def require_new(cls, root: str | Path, name: str) -> None:
        """Raise RunError where `create` would; on object storage, whether one may write there is not tried."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
            right = "give one of at most 100 letters, digits, '.', '_' and '-', such as degradations-2"
            raise RunError(f"run name {name!r}: {right}")
        cls._require_free(root, name)
        if is_remote(root):
            return
        path = Path(root) / name
        with cls._writing_to(Path(root)):
            # The folders that are missing are made last, once everything else is there.
            tempfile.TemporaryFile(dir=next(folder for folder in path.parents if folder.exists())).close()

    @staticmethod
    @contextmanager
    def _writing_to(root: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RunError(f"cannot write to {root}, {error.strerror}: give a writable --storage-path") from None

    def _create(self) -> Self:
        with self._writing_to(self.path.parent):
            for folder in (self.samples, self.artifacts, self.checkpoints, self.tensorboard, self.ray):
                folder.mkdir(parents=True, exist_ok=True)
            self._log.path.touch()
        return self

    @classmethod
    def is_free(cls, root: str | Path, name: str) -> bool:
        """Return whether a run of this name can begin: there is nothing yet, or what a crash left half made."""
        try:
            cls._require_free(root, name)
        except RunError:
            return False
        return True

    @classmethod
    def _require_free(cls, root: str | Path, name: str) -> None:
        run = cls._at(join(str(root), name))
        if not isinstance(run._place, Remote):
            if run.path.exists():
                run._require_half_made()
        elif run._place.has(run.settings_file.name):
            pull_unless_busy(run._place)
            run._require_half_made()

    def _require_half_made(self) -> None:
        """Raise RunError unless the folder has only what `create` made, or began to write, before it was cut off."""
        log = self._log.path
        if log.is_file() and (log.stat().st_size > 0 or "settings" in self.settings()):
            raise RunError(f"{self.uri} exists already: continue it with --resume {self.name}, or give another --name")
        made = {log, self.settings_file, self.earlier}
        files = {path for path in self.path.rglob("*") if not path.is_dir() and path.suffix != ".part"}
        if {path for path in files - made if self.code_folder not in path.parents} or not self.path.is_dir():
            raise RunError(f"{self.path} exists already and is not a run: give another --name")

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open a run, at a folder or a URI, or a copy of one.

        Raises:
            RunError: there is no such folder, it is not a run's, or its log is damaged other than at its end.
        """
        run = cls._at(path)
        if isinstance(run._place, Remote):
            if not run._place.has(run.settings_file.name):
                raise RunError(f"no run at {run.uri}: give the URI of a run, such as s3://BUCKET/runs/degradations")
            pull_unless_busy(run._place)
            run._complete()
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

    @property
    def uri(self) -> str:
        """Where the run is, for every machine: an absolute path or a URI."""
        return self._place.uri

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as where it is: Ray Tune pickles its callbacks, and an open log has no place there."""
        return type(self), (self._place,)

    def picture(self, trial: str, kind: Picture) -> Path:
        """Return the path of one of a trial's PNGs, which are there from its first report on.

        Restorations are there once it has the full budget.
        """
        return self.samples / f"{trial}{PICTURES[kind]}"

    def pictures(self, trial: str) -> dict[Picture, Path]:
        """Return the paths of the PNGs that there are of a trial."""
        paths = {kind: self.picture(trial, kind) for kind in PICTURES}
        return {kind: path for kind, path in paths.items() if path.is_file()}

    def read_picture(self, path: Path) -> bytes | None:
        """Return the content of one of the pictures; None where there is none, or a link that leads out of the run."""
        if not path.is_file():
            return None
        if not path.resolve().is_relative_to(self.path.resolve()):
            logging.getLogger(__name__).warning("%s leads out of the run, and is left out", path)
            return None
        return path.read_bytes()

    def used_seconds(self) -> float:
        """Return the seconds that the sessions of the run took so far, with those of its confirmation.

        Runs of version 0.1 kept only the seconds of the search and of the confirmation.
        """
        nested = self.confirmed()
        parts = [self.settings()] if nested is None else [self.settings(), nested.settings()]
        known = [part["used_seconds"] for part in parts if "used_seconds" in part]
        return float(max(known) if known else sum(part.get("wall_seconds", 0.0) for part in parts))

    def confirmed(self) -> Self | None:
        """Return the run of the trials that were trained again with fresh seeds, None where there is none yet.

        Raises:
            RunError: a training of it repeats no trial of the search.
        """
        nested = self._nested()
        if not nested._log.path.is_file():
            return None
        known = self.starts()
        for training in nested.starts().values():
            if training.repeats not in known:
                said = f"{training.trial} repeats {training.repeats!a}, which is no trial of {self.name}"
                raise RunError(f"{nested._log.path}: {said}: put it right, or bring the file back from a copy")
        return nested

    def begin_confirmation(self) -> Self:
        """Make the folder of that run."""
        return self._nested()._create()

    def bring(self, trial: str) -> None:
        """Fetch the pictures of a trial, which its process wrote where the run is."""
        for kind in PICTURES:
            self._place.bring(self.picture(trial, kind))

    def kept_checkpoints(self) -> list[str]:
        """Return the trials of which there is a checkpoint, in the order of their names."""
        names = self._place.names(self.checkpoints.name)
        return sorted(name.removesuffix(".pt") for name in names if name.endswith(".pt"))

    def drop_checkpoint(self, trial: str) -> None:
        """Delete the checkpoint of a trial, if there is one."""
        self._place.delete(f"{self.checkpoints.name}/{trial}.pt")

    def clear_ray(self) -> None:
        """Delete what Ray Tune left of an earlier session."""
        self._place.clear(self.ray.name)

    def publish(self) -> None:
        """Send what other writers left in the folders of the copy, and the study; nothing to do for a run on disk."""
        self._place.push(self.study_file)
        self._place.put_changed(self.artifacts)

    def send(self, path: Path) -> None:
        """Send one of the run's files that has changed in its place; nothing to do for a run on disk."""
        self._place.put(path)

    def fetch(self, path: Path) -> None:
        """Fetch one of the run's files that a copy does not hold from the start; nothing to do for a run on disk."""
        self._place.bring(path)

    def settings(self) -> dict[str, Any]:
        """Return what search.json says, in today's names; empty before the first `write_settings`.

        Raises:
            RunError: it is not JSON, lacks a value, or has one of a wrong type.
        """
        if not self.settings_file.is_file():
            return {}
        try:
            content = search_json.read(self.settings_file.read_bytes())
        except ValueError as error:
            raise RunError(f"{self.settings_file} {error}: bring it back from a copy of the run") from None
        if content.get("format", FORMAT) > FORMAT and not self._told:
            self._told = True
            logging.getLogger(__name__).warning(
                "%s is of a newer version; what is new in it is left out", self.settings_file
            )
        return content

    def begun_settings(self) -> dict[str, Any]:
        """Return what search.json says of a run that has begun: its settings and its metric, as `settings` does.

        Raises:
            RunError: the run ended before it began, or search.json is lost or damaged.
        """
        found = self.settings()
        if found.get("settings") and found.get("metric"):
            return found
        if self.events():
            raise RunError(f"{self.uri} has lost its {self.settings_file.name}: bring it back from a copy of the run")
        raise RunError(f"{self.uri} ended before it began: begin it again, by --space and --name {self.name}")

    def write_settings(self, settings: dict[str, Any]) -> None:
        """Replace search.json."""
        self.write(self.settings_file, (json.dumps(finite({"format": FORMAT, **settings}), indent=2) + "\n").encode())

    def update_settings(self, **values: Any) -> None:
        """Replace these values in search.json."""
        with self._updating:
            self.write_settings({**self.settings(), **values})

    def earlier_trials(self) -> list[EarlierTrial]:
        """Return the trials of earlier runs that the search was begun with; none where it was begun without.

        Raises:
            RunError: a line of the file holds none.
        """
        if not self.earlier.is_file():
            return []
        try:
            return from_lines(self.earlier.read_bytes())
        except ValueError as error:
            raise RunError(f"{self.earlier} is damaged, {error}: bring it back from a copy of the run") from None

    def write_earlier_trials(self, trials: Iterable[EarlierTrial]) -> None:
        """Keep the trials of earlier runs that the search is begun with; without any there is no file."""
        lines = to_lines(trials)
        if lines:
            self.write(self.earlier, lines)
        else:
            self.earlier.unlink(missing_ok=True)
            self._place.delete(self.earlier.name)

    def write(self, path: Path, data: bytes) -> None:
        """Replace one of the run's files such that a reader, or a crash, finds the old one or the new one.

        Raises:
            RunError: the disk is full or the folder is read-only, or the object storage does not take it.
        """
        try:
            replace_file(path, data)
        except OSError as error:
            raise RunError(f"cannot write to {path}, {error.strerror}: see to it, then --resume the run") from None
        self._place.put(path)

    def append(self, event: Event) -> bool:
        """Add an event to the log, on disk when this returns.

        Returns:
            Whether it counts: a report at images_seen for which its trial has one does not.

        Raises:
            RunError: the log cannot be written, because the disk is full or the folder is read-only.
        """
        self._read_on()
        written = self._log.append(event)
        # The study first: nothing is in the log of which a study that is read back would not know.
        self._place.push(self.study_file)
        self._place.push(self._log.path)
        return self._fold.add(written)

    def events(self) -> list[Event]:
        """Return the events that count, in the log's order: all but the reports that repeat an earlier one."""
        return list(self._read_on().events)

    def starts(self) -> dict[str, Start]:
        """Return the first start of each trial, by its name, with what it chose of its configuration after training."""
        starts: dict[str, Start] = {}
        for event in self.events():
            if isinstance(event, Start):
                starts.setdefault(event.trial, event)
            elif isinstance(event, Report) and event.trial in starts:
                starts[event.trial] = starts[event.trial].with_chosen(event)
        return starts

    def reports(self) -> dict[str, list[Report]]:
        """Return the reports of each trial that has any, by its name, in the log's order."""
        return self._read_on().reports()

    def ends(self) -> dict[str, End]:
        """Return the last end of each trial that has one, by its name."""
        return {event.trial: event for event in self.events() if isinstance(event, End)}

    def trials(self) -> pa.Table:
        """Return one row a trial; the columns are those of analysis/run/tables.py."""
        return self._read_on().trials

    def curves(self) -> pa.Table:
        """Return one row a report; the columns are those of analysis/run/tables.py."""
        return self._read_on().curves

    def training(self) -> pa.Table:
        """Return one row a point of a training curve; the columns are those of analysis/run/tables.py."""
        return self._read_on().training

    def write_tables(self) -> None:
        """Replace trials.parquet, curves.parquet and training.parquet."""
        self.write_table(self.path / "trials.parquet", self.trials())
        self.write_table(self.path / "curves.parquet", self.curves())
        self.write_table(self.path / "training.parquet", self.training())

    def write_table(self, path: Path, table: pa.Table) -> None:
        """Replace one of the run's Parquet files."""
        data = io.BytesIO()
        pq.write_table(table, data)
        self.write(path, data.getvalue())

    def close(self) -> None:
        """Close the log's file; the next `append` opens it again."""
        self._log.close()

    def _read_on(self) -> Fold:
        """Return the state that the log tells at this moment."""
        for event in self._log.read_on():
            self._fold.add(event)
        return self._fold

    def _nested(self) -> Self:
        nested = type(self)(self._place.child(self.confirmation.name))
        nested._complete()
        return nested

    def _complete(self) -> None:
        """Add to a copy the log that is empty, of which object storage has no segment."""
        if isinstance(self._place, Remote) and self.settings_file.is_file():
            self._log.path.touch()
