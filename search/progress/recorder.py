"""Writes down what Ray Tune tells: at once to log, TensorBoard and display, now and then to the tables."""

from __future__ import annotations

import math
import time
from collections.abc import Container
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray import tune

from analysis.run.run import Run
from search.options import KEPT_CHECKPOINTS
from search.progress.budget import Ledger
from search.progress.disk import require_room
from search.progress.failures import left_its_machine, reason
from search.progress.tensorboard import TrialBoard
from search.progress.terminal import Display
from search.study.dashboard import Gallery
from search.study.journal import State, state_at
from search.study.resume import History
from search.study.tries import Tries
from trainables.report import Report
from trainables.trial import PREEMPTED

if TYPE_CHECKING:
    from ray.tune.experiment import Trial

REPORTED = tuple(entry.name for entry in fields(Report))
TABLES_EVERY = 30.0  # seconds
TABLES_SHARE = 0.01  # of the driver's time at most: with thousands of trials they take a second


class Recorder(tune.Callback):
    """Ray Tune's callback of one run; a trial is known by the name in its configuration."""

    def __init__(
        self,
        run: Run,
        history: History,
        ledger: Ledger,
        display: Display,
        tries: Tries,
        waiting: Container[int] = (),
        kept_checkpoints: int | None = KEPT_CHECKPOINTS,
    ) -> None:
        """Go on from `history`, the run's log so far.

        Args:
            run: what is written to.
            history: the run's log so far.
            ledger: where time is counted.
            display: what is shown.
            tries: of the trials, which says whether one that failed is tried once more.
            waiting: numbers of the trials that wait at a rung, at every moment.
            kept_checkpoints: of how many of the best complete trials the checkpoint stays; None: of all.
        """
        self.run, self.ledger, self.display = run, ledger, display
        self.board, self.gallery = TrialBoard(run), Gallery(run)
        self.display.recall(run, history)
        self._full, self._tries, self._waiting = history.full, tries, waiting
        self._kept_checkpoints = kept_checkpoints
        self._started = set(history.started)
        self._last: dict[str, dict[str, Any]] = {name: reports[-1] for name, reports in history.reports.items()}
        self._ended = dict(history.ended)
        self._heard: dict[str, float] = {}
        self._written, self._pause = time.monotonic(), TABLES_EVERY
        self._kept: list[str] = []
        """Complete trials of which the checkpoint stays, the best first"""
        self._free_checkpoints()

    def __getstate__(self) -> dict[str, Any]:
        """Ray Tune pickles its callbacks for a restore that never comes."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A trial starts, or starts again after an interruption or a failure."""
        config = trial.config
        self._log_start(config)
        self._heard[config["trial"]] = time.monotonic()
        self.board.start(config["trial"], config["variant"], config["baseline"])
        self.ledger.start(config["trial"])
        self.display.started(config["trial"])

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """A trial reports; what it reports again after a restart is in the log already and does not count."""
        name = trial.config["trial"]
        report = {field: result[field] for field in REPORTED}
        self._heard[name] = time.monotonic()
        self.run.bring(name)
        # Before the log has it: a search that dies in between makes the report, and this, once more.
        self.gallery.report(trial.config["number"], name, report, ends=bool(result.get("done")))
        if not self.run.append({"event": "report", "trial": name, **report}):
            return
        self._last[name] = report
        self.ledger.report(report)
        self.board.report(name, report)
        self.display.reported(
            name, report, stops=bool(result.get("done")), pauses=trial.config["number"] in self._waiting
        )

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A trial was stopped, or is through, or left its process to wait at its rung."""
        name = trial.config["trial"]
        if trial.config["number"] in self._waiting:
            self.ledger.end(name)
            self.display.paused(name)
            return
        self._end(name, state_at(self._last.get(name), self._full))

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A trial failed, and is tried again from its checkpoint unless that was once too often."""
        name, error = trial.config["trial"], Path(str(trial.error_file)).read_text()
        require_room(self.run, name, error)
        line = reason(error) + self._silence(name)
        if self._tries.has_more(trial.config["number"]):
            self.ledger.end(name)
            if left_its_machine(error):
                self.display.note(f"{name} goes on elsewhere: {PREEMPTED}")
            else:
                self.display.note(f"{name} failed and is tried again: {line}")
            return
        self.display.note(f"{name} failed: {line}; the traceback is in the log of {self.run.uri}")
        self._log_start(trial.config)  # it may have failed on its way to a process
        self._end(name, "FAIL", error=error)

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Ray Tune went once round its loop, which takes at most a tenth of a second when nothing happens."""
        if self.ledger.out_of_time():
            self.display.out_of_time()
        self.display.refresh()
        if time.monotonic() - self._written >= self._pause:
            self.write()

    def release(self, name: str) -> None:
        """A trial that waited at its rung will not go on."""
        self._end(name, "PRUNED")

    def write(self, **settings: Any) -> None:
        """Write the tables, and into search.json the time spent and what else is given."""
        began = time.monotonic()
        self.run.write_tables()
        self.run.write_settings({**self.run.settings(), **self.ledger.summary(), **settings})
        self.run.publish()
        self._written = time.monotonic()
        self._pause = max(TABLES_EVERY, (self._written - began) / TABLES_SHARE)

    def close(self) -> None:
        """Close the files."""
        self.run.publish()
        self.run.close()

    def _silence(self, name: str) -> str:
        """Return, of a trial that ended in silence, what is known of one that hangs: a line to follow its error."""
        silence, limit = time.monotonic() - self._heard.get(name, math.inf), self.display.settings.hang_limit
        return f"; it did not report for {silence:.0f} s, and is ended when it hangs for {limit:g}" * (silence >= limit)

    def _log_start(self, config: dict[str, Any]) -> None:
        if config["trial"] not in self._started:
            self._started.add(config["trial"])
            self.run.append({"event": "start", **config})

    def _end(self, name: str, state: State, **why: str) -> None:
        self.run.append({"event": "end", "trial": name, "state": state, **why})
        self.ledger.end(name)
        self.board.end(name, state)
        self.display.ended(name, state)
        self._ended[name] = state
        self._free_checkpoint(name, state)

    def _free_checkpoints(self) -> None:
        """Delete the checkpoints that an earlier session had no time to delete."""
        if self._kept_checkpoints is None:
            return
        complete = [name for name, state in self._ended.items() if state == "COMPLETE"]
        self._kept = self._best(complete)
        for name in self.run.kept_checkpoints():
            if name in self._ended and name not in self._kept:
                self.run.drop_checkpoint(name)

    def _free_checkpoint(self, name: str, state: State) -> None:
        """Keep the checkpoint of a trial that ended if it is one of the best, and delete that which no longer is."""
        if self._kept_checkpoints is None:
            return
        before = [*self._kept, name]
        self._kept = self._best(before if state == "COMPLETE" else self._kept)
        for gone in set(before) - set(self._kept):
            self.run.drop_checkpoint(gone)

    def _best(self, complete: list[str]) -> list[str]:
        return sorted(complete, key=lambda name: self._last[name]["fmd"])[: self._kept_checkpoints]
