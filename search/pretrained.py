"""A model that another run trained, for a search that only samples from it: `--from RUN/TRIAL`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from analysis.run.run import Run, is_remote
from analysis.run.tables import fields
from search.settings import SettingsError


@dataclass(frozen=True)
class Trained:
    """A trained trial whose checkpoint is kept."""

    run: str
    """Where it is, for every machine: an absolute path or a URI."""
    trial: str
    images_seen: int
    dataset: str
    data_dir: str | None
    fixed: dict[str, str]
    """Its configuration but for how it is sampled: flat name -> value, as `--set` has it."""

    @classmethod
    def open(cls, given: str) -> Trained:
        """Return the trial that `--from RUN/TRIAL` names.

        Raises:
            RunError: RUN is not a run.
            SettingsError: RUN has no such trial, or no checkpoint of it, or still trains it.
        """
        folder, _, trial = given.rpartition("/")
        run = Run.open(folder if is_remote(folder) else Path(folder).expanduser())
        rows = {row["trial"]: row for row in run.trials().to_pylist()}
        kept = run.kept_checkpoints()
        if trial not in kept or trial not in rows:
            there = f"kept are those of {', '.join(kept)}" if kept else "it keeps none"
            raise SettingsError(f"--from {given}: {run.uri} has no checkpoint of a trial {trial!r}; {there}")
        row, settings = rows[trial], run.settings()["settings"]
        if row["state"] == "RUNNING":
            raise SettingsError(f"--from {given}: it is still in training; wait for its end, or --resume {run.name}")
        variant = {name: row[name] for name in fields(run.trials()) if row[name] is not None}
        return cls(
            run=run.uri,
            trial=trial,
            images_seen=row["images_seen"],
            dataset=settings["dataset"],
            data_dir=settings["data_dir"],
            fixed={name: str(value) for name, value in variant.items() if not name.startswith("sampler/")},
        )

    def settings(self) -> dict[str, object]:
        """Return what a search of it is given: its data, and one rung, at which it already is."""
        data_dir = {} if self.data_dir is None else {"data_dir": self.data_dir}
        rung = {"max_images": self.images_seen, "grace_images": self.images_seen}
        return {"dataset": self.dataset, **data_dir, **rung, "trained": (self.run, self.trial)}
