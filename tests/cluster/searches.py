"""A search on a cluster as an outsider sees it: by its log, its tables and its study."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from analysis.run.evaluations import stored
from analysis.run.run import Run
from tests.cluster.commands import wait_for

Event = dict[str, Any]
# Networks that see every pixel: their trials last long enough to be interrupted.
SLOW = "--set network.cnn.patch=1 --set network.cnn.widths=16-32-32-16"


class Watched:
    """A run's folder, while a search that is none of this process's writes to it."""

    def __init__(self, path: Path) -> None:
        self.path, self.began = path, time.time()

    def events(self, kind: str) -> list[Event]:
        """Return the events of one kind that the log has so far, the repeated ones too."""
        log = self.path / "log.jsonl"
        lines = log.read_text().splitlines(keepends=True) if log.exists() else []
        events = [json.loads(line) for line in lines if line.endswith("\n")]
        return [event for event in events if event["event"] == kind]

    def reports(self) -> Counter[tuple[str, int]]:
        """Return how often the run has each report, by trial and images seen.

        A trial that goes on repeats the last report before the loss: the log has it again, but it does not count.
        """
        rows = Run.open(self.path).curves().to_pylist()
        return Counter((row["trial"], row["images_seen"]) for row in rows)

    def require_all_once(self, trials: Sequence[str], rungs: Sequence[int]) -> None:
        """Require that each trial ended at the last rung, and that each report and each end is there once."""
        assert self.reports() == dict.fromkeys([(name, images) for name in trials for images in rungs], 1)
        ends = self.events("end")
        assert {event["trial"]: event["state"] for event in ends} == dict.fromkeys(trials, "COMPLETE")
        assert len(ends) == len(trials)

    def repeated(self) -> set[str]:
        """Return the trials that began again by a report that the log had already, as their checkpoint has it.

        A trial that is trained once more comes to the same numbers, but not in the same time to the last bit.
        """
        told = [(event["trial"], event["fmd"], event["train_seconds"]) for event in self.events("report")]
        return {trial for (trial, _, _), times in Counter(told).items() if times > 1}

    def under_way(self) -> set[str]:
        """Return the trials that have reported and not ended."""
        return {event["trial"] for event in self.events("report")} - {event["trial"] for event in self.events("end")}

    def wait_for_reports(self, trials: set[str], after: float, seconds: float = 900) -> float:
        """Wait until each of these trials has reported, or ended, after a time; return when the last one did."""
        assert trials, "there is no trial to wait for"

        def latest() -> float:
            times = {
                name: [
                    event["time"]
                    for event in self.events("report") + self.events("end")
                    if event["trial"] == name and event["time"] > after
                ]
                for name in trials
            }
            return max(min(each) for each in times.values()) if all(times.values()) else 0.0

        return wait_for(latest, f"reports of {', '.join(sorted(trials))}", seconds)

    def wait_for_end(self, seconds: float = 1000) -> None:
        """Wait until the search says that it is done."""
        wait_for(lambda: self.status() == "done", f"the end of {self.path.name}", seconds)

    def curves(self) -> dict[tuple[str, int], float]:
        """Return FMD by trial and images seen, as the tables have it."""
        rows = Run.open(self.path).curves().to_pylist()
        assert len({(row["trial"], row["images_seen"]) for row in rows}) == len(rows)
        return {(row["trial"], row["images_seen"]): row["fmd"] for row in rows}

    def test_scores(self) -> dict[str, float]:
        """Return FMD on the test images by training, of a confirmation."""
        return {row["trial"]: row["fmd"] for row in stored(Run.open(self.path)).to_pylist()}

    def study(self) -> list[optuna.trial.FrozenTrial]:
        """Return the trials of the Optuna study."""
        storage = JournalStorage(JournalFileBackend(str(self.path / "study.journal")))
        return optuna.load_study(study_name=self.path.name, storage=storage).get_trials()

    def status(self) -> str:
        settings = self.path / "search.json"
        return str(json.loads(settings.read_text()).get("status")) if settings.exists() else ""
