"""What optuna-dashboard shows of a trial: its pictures as artifacts, and numbers of its last report as attributes."""

from __future__ import annotations

import math
import os
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta, upload_artifact
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from analysis.run.run import Run

# Of a trial's last report. Its FMD is the value at its images seen, its loss is nothing to rank by.
NUMBERS = ("images_seen", "fmd_normalised", "fmd_se", "ssim", "images_per_second", "parameters", "nfe")


class Gallery:
    """Keeps pictures and numbers of a run's trials in its study, through a view of the journal of its own.

    A trial has two artifacts, attached at its first report; each later one replaces the files, also after a resume. A
    run without a study, as one that only repeats trials, has no gallery.
    """

    def __init__(self, run: Run) -> None:
        """Read nothing yet."""
        self._run, self._store = run, _Links(run.artifacts)

    def report(self, number: int, trial: str, report: dict[str, Any], ends: bool) -> None:
        """Show a trial's pictures as they now are, unless it diverged, and its numbers if it does not go on.

        The study must not know yet that the trial has ended: it would take nothing more.
        """
        if not self._run.study_file.is_file():
            return
        storage, study = self._study
        frozen = storage.get_trial(storage.get_trial_id_from_study_id_trial_number(study, number))
        known = {meta.filename: meta.artifact_id for meta in get_all_artifact_meta(frozen, storage=storage)}
        for path in (self._run.sample_grid(trial), self._run.degradation_strip(trial)):
            if path.is_file() and not report["diverged"]:
                self._show(path, known.get(path.name), storage, frozen)
        if ends:
            for name in NUMBERS:
                if math.isfinite(report[name]):
                    storage.set_trial_user_attr(frozen._trial_id, name, report[name])

    def _show(self, path: Path, known: str | None, storage: JournalStorage, frozen: Any) -> None:
        if known is None:
            upload_artifact(artifact_store=self._store, file_path=str(path), study_or_trial=frozen, storage=storage)
            return
        with path.open("rb") as file:
            self._store.write(known, file)

    @cached_property
    def _study(self) -> tuple[JournalStorage, int]:
        self._run.artifacts.mkdir(exist_ok=True)  # a run of an earlier version has none
        storage = JournalStorage(JournalFileBackend(str(self._run.study_file)))
        return storage, storage.get_study_id_from_name(self._run.name)


class _Links(FileSystemArtifactStore):
    """Holds links to files that the run has already, so that a picture takes its room once."""

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Link the file that is read from, or copy it where the file system has no links."""
        path = self._get_filepath(artifact_id)
        path.unlink(missing_ok=True)  # not to write through the link into the picture
        try:
            os.link(content_body.name, path)
        except OSError:
            super().write(artifact_id, content_body)
