"""What optuna-dashboard shows: pictures of a trial as artifacts, numbers as its attributes, and the run's answer."""

import math
import os
from pathlib import Path
from typing import BinaryIO

import optuna
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta, upload_artifact

from analysis.run.run import Run
from analysis.text.answer import Answer
from search.study.journal import read_study, reopen
from trainables.report import Report

# Of a trial's last report. Its FMD is the value at its images seen; its loss is nothing to rank by.
NUMBERS = ("images_seen", "fmd_normalised", "fmd_se", "ssim", "images_per_second", "parameters", "nfe")


class Dashboard:
    """The pictures and numbers of a run's trials in its study.

    A trial's artifacts are attached at the first report that has them; each later report replaces the files, also after
    a resume.
    """

    def __init__(self, run: Run, study: optuna.Study) -> None:
        run.artifacts.mkdir(exist_ok=True)  # a run of an earlier version, or a copy, has no such folder
        self._run, self._study, self._store = run, study, LinkStore(run.artifacts)

    def report(self, number: int, report: Report, leaves: bool) -> None:
        """Show a trial's pictures as they now are, unless it diverged, and its numbers if it leaves its process.

        The study must not have been told that the trial ended, because an ended trial takes no attributes.
        """
        trial = reopen(self._study, number)
        known = {meta.filename: meta.artifact_id for meta in get_all_artifact_meta(trial)}
        for path in () if report.diverged else self._run.pictures(report.trial).values():
            if path.name in known:
                with path.open("rb") as file:
                    self._store.write(known[path.name], file)
            else:
                upload_artifact(artifact_store=self._store, file_path=str(path), study_or_trial=trial)
        if leaves:
            for name in NUMBERS:
                if math.isfinite(getattr(report, name)):
                    trial.set_user_attr(name, getattr(report, name))


def tell_answer(run: Run, found: Answer) -> None:
    """Write a run's answer into its study, as an attribute that optuna-dashboard shows; nothing where none is whole."""
    study = read_study(run.study_file)
    if study is not None:
        study.set_user_attr("answer", "\n".join(f"{term}: {text}" for term, text in found.lines()))
        run.publish()


class LinkStore(FileSystemArtifactStore):
    """An artifact store whose files are links to files that the run has already, where links are possible."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._folder = folder

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Link the file that is read from, or copy it where the file system has no links."""
        path = self._folder / artifact_id
        path.unlink(missing_ok=True)  # so that nothing is written through the link into the picture
        try:
            os.link(content_body.name, path)
        except OSError:
            super().write(artifact_id, content_body)
