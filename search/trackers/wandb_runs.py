"""Trials as runs of Weights & Biases: the group is the search, the job type its part, the name the trial's."""

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import wandb

from analysis.run.storage import replace_file
from search.trackers.record import Record

PROJECT = "diffusion-search"
SECONDS = 30.0  # that the service may take to begin a run, or to upload what is left of one at its end


class WandbRuns:
    """The runs of a search at the service, or on disk with WANDB_MODE=offline.

    A run is open while its trial trains. The service says how far a run is that goes on. On disk such a run is written
    anew as a whole, and then replaces what an earlier session wrote, unless that has been uploaded.
    """

    def __init__(self, search: str, project: str, folder: Path) -> None:
        """Log in.

        Args:
            search: the name of the search.
            project: PROJECT or ENTITY/PROJECT; empty for WANDB_PROJECT, or else one of the name above.
            folder: where wandb keeps its files, and this class a note of each run that it closed.

        Raises:
            RuntimeError: no key is configured.
        """
        mode = wandb.setup(wandb.Settings(silent=True, console="off")).settings.mode
        if mode == "online" and not wandb.login(prompt=False):
            raise RuntimeError("no key is configured; call `wandb login`, or set WANDB_MODE=offline")
        entity, _, name = project.rpartition("/")
        self._where = {"entity": entity or None, "project": name or os.environ.get("WANDB_PROJECT", PROJECT)}
        self._search, self._folder, self._offline = search, folder, mode == "offline"
        self._open: dict[str, Any] = {}
        self._logged: dict[str, int] = {}
        """Images seen up to which each open run has reports"""
        self._notes = folder / "sent"
        self._notes.mkdir(parents=True, exist_ok=True)

    def send(self, record: Record) -> None:
        """Make the run of a trial hold what the record holds; what is there already is not sent again."""
        key = self._id(record)
        if self._note(key).is_file() and self._note(key).read_text() == _closed_with(record.images_seen, record.state):
            return
        run = self._open.get(key) or self._begin(key, record)
        last = record.reports[-1] if record.reports else None
        if last is not None and record.start.chooses:
            run.config.update(record.parameters, allow_val_change=True)
        for report, at, numbers in record.points(above=self._logged[key]):
            entries: dict[str, Any] = {**numbers, "images_seen": at}
            if report is last and at == report.images_seen and record.pictured:
                entries["samples"] = wandb.Image(str(record.samples))
            run.log(entries, step=at)
        self._logged[key] = record.images_seen
        run.summary["state"] = record.state
        if record.end is not None and record.end.error:
            run.summary["error"] = record.end.error[-5_000:]
        if record.state != "RUNNING":
            self._finish(key, record.images_seen, record.state)

    def close(self) -> None:
        """Close the runs of the trials that still run; they go on in another session."""
        for key in list(self._open):
            self._finish(key, self._logged[key], "RUNNING")

    def _id(self, record: Record) -> str:
        """Return the id of a trial's run, which a later session and another machine find again."""
        told = f"{self._where['entity']} {self._where['project']} {self._search} {record.identity}"
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def _note(self, key: str) -> Path:
        """Return the file that says how far a run was when it was closed."""
        return self._notes / key

    def _begin(self, key: str, record: Record) -> Any:
        run = wandb.init(
            **self._where,
            id=key,
            resume="allow",
            reinit="create_new",
            group=self._search,
            job_type=record.part,
            name=record.start.trial,
            config={**record.parameters, "repeats": record.start.repeats},
            dir=self._folder.parent,
            settings=wandb.Settings(
                init_timeout=SECONDS,
                finish_timeout=SECONDS,
                finish_timeout_raises=True,
                disable_git=True,
                x_disable_stats=True,
            ),
        )
        run.define_metric("*", step_metric="images_seen")
        self._open[key], self._logged[key] = run, run.step - 1
        return run

    def _finish(self, key: str, images_seen: int, state: str) -> None:
        run = self._open.pop(key)
        run.finish(exit_code=int(state == "FAILED"))
        if self._offline:
            self._replace_earlier(key, Path(run.dir).parent)
        replace_file(self._note(key), _closed_with(images_seen, state).encode())

    def _replace_earlier(self, key: str, written: Path) -> None:
        """Delete what earlier sessions wrote of a run that is now written as a whole, if it was not uploaded."""
        for earlier in self._folder.glob(f"offline-run-*-{key}*"):  # of two in one second the second gets a number
            if earlier.name != written.name and not any(earlier.glob("*.synced")):
                shutil.rmtree(earlier, ignore_errors=True)


def _closed_with(images_seen: int, state: str) -> str:
    return f"{state} {images_seen}\n"
