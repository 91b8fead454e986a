"""The records of a search: log, TensorBoard, study and terminal at once, the tables every half minute."""

import math
import time
from collections.abc import Container
from typing import Any

from analysis.run.events import End, Start, State
from analysis.run.run import Run
from search.history import History, end_state
from search.progress.failures import left_its_machine, reason, require_room
from search.progress.tensorboard import TensorBoardWriter
from search.progress.terminal import Display
from search.progress.time_spent import TimeSpent
from search.schedulers import Decision
from search.study.dashboard import Dashboard
from search.trackers.sending import Trackers
from search.tries import Tries
from trainables.report import Report
from trainables.trial import PREEMPTED

TABLES_EVERY = 30.0  # seconds
TABLES_SHARE = 0.01  # of the driver's time at most: with thousands of trials the tables take a second


class Recorder:
    """Records what trials do; each method takes in one thing that happened."""

    def __init__(
        self,
        run: Run,
        history: History,
        display: Display,
        tries: Tries,
        *,
        paused: Container[int] = (),
        kept_checkpoints: int | None = None,
        dashboard: Dashboard | None = None,
        trackers: Trackers | None = None,
    ) -> None:
        """Go on from `history`, the run's log so far.

        `tries` says whether a trial that failed is tried again, and `paused` has the numbers of the trials that are
        paused, at every moment. Of the best complete trials `kept_checkpoints` keep theirs, of None all. A run without
        a study has no `dashboard`.
        """
        self.run, self.display = run, display
        self.spent = TimeSpent(display.settings.slots, run.settings())
        self._tensorboard, self._dashboard = TensorBoardWriter(run), dashboard
        self._full, self._tries, self._paused = history.full, tries, paused
        self._logged = {name for name in history.starts if not history.is_paused(name)}
        """Trials whose start need not be logged: RUNNING, or ended for good"""
        self._started = set(history.starts)
        self._last: dict[str, Report] = {name: reports[-1] for name, reports in history.reports.items()}
        self._heard: dict[str, float] = {}
        """When each trial started or reported last in this session, by the monotonic clock"""
        self._written, self._write_every = time.monotonic(), TABLES_EVERY
        self._checkpoints = _Checkpoints(run, history, kept_checkpoints)
        self.display.recall(run, history)
        self._trackers = trackers or Trackers()
        self._trackers.follow(run)

    def on_start(self, start: Start) -> None:
        """Record that a trial starts, or starts again after it was paused, interrupted or failed."""
        self._log_start(start)
        self._heard[start.trial] = time.monotonic()
        if not start.chooses:
            self._tensorboard.start(start)
        self.spent.start(start.trial)
        self.display.started(start.trial)

    def on_report(self, start: Start, report: Report, leaves: bool) -> None:
        """Record a report, and whether the trial leaves its process with it.

        A report that is repeated after a restart is in the log already and does not count.
        """
        self._heard[report.trial] = time.monotonic()
        self.run.bring(report.trial)
        # Before the log: if the search dies between the two, the trial reports again, and the dashboard gets it then.
        if self._dashboard is not None:
            self._dashboard.report(start.number, report, leaves)
        if not self.run.append(report):
            return
        self._last[report.trial] = report
        self.spent.report(report)
        if start.chooses:  # TensorBoard keeps the first configuration of a trial that it reads
            self._tensorboard.start(start.with_chosen(report))
        self._tensorboard.report(report)
        self._trackers.follow(self.run)
        self.display.reported(report, self._decision(start, leaves))

    def on_end(self, start: Start) -> None:
        """Record that a trial has left its process: paused, stopped or complete."""
        paused = start.number in self._paused
        self._end(start.trial, "PAUSED" if paused else end_state(self._last.get(start.trial), self._full))

    def on_error(self, start: Start, error: str) -> None:
        """Record that a trial failed; it is tried again from its checkpoint while it has tries.

        `error` is a traceback, or what Ray says in its place.

        Raises:
            RunError: the disk takes nothing more.
        """
        name = start.trial
        require_room(self.run, name, error)
        line = reason(error, self.run.code_folder) + self._silence(name)
        if self._tries.may_retry(start.number):
            self.spent.end(name)
            moved = left_its_machine(error)
            retried = f"{name} failed and is tried again: {line}"
            self.display.notes.say(f"{name} goes on elsewhere: {PREEMPTED}" if moved else retried)
            return
        self.display.notes.say(f"{name} failed: {line}; the traceback is in the log of {self.run.uri}")
        self._log_start(start)  # it may have failed before a process ran it
        self._end(name, "FAILED", error)

    def on_prune(self, name: str) -> None:
        """Record that a paused trial will not be promoted, or that the time cut off one that ran."""
        if name in self._started:  # else no process has run it yet
            self._end(name, "PRUNED")

    def on_step(self) -> None:
        """Refresh the terminal, and write the tables when they are due."""
        self._trackers.look()
        self.display.refresh()
        if time.monotonic() - self._written >= self._write_every:
            self.write()

    def write(self, **settings: Any) -> None:
        """Write the tables, and into search.json the time spent and `settings`."""
        began = time.monotonic()
        self.run.write_tables()
        self.run.update_settings(**self.spent.summary(), **self.display.notes.budget.used(), **settings)
        self.run.publish()
        self._written = time.monotonic()
        self._write_every = max(TABLES_EVERY, (self._written - began) / TABLES_SHARE)

    def close(self) -> None:
        """Close the files."""
        self.run.publish()
        self.run.close()

    def _decision(self, start: Start, leaves: bool) -> Decision:
        if not leaves:
            return Decision.CONTINUE
        return Decision.PAUSE if start.number in self._paused else Decision.STOP

    def _silence(self, name: str) -> str:
        """Return what follows the error of a trial that did not report for long before it failed; else ""."""
        silence, limit = time.monotonic() - self._heard.get(name, math.inf), self.display.settings.hang_limit
        if silence < limit:
            return ""
        return f"; it did not report for {silence:.0f} s, and is ended when it hangs for {limit:g}"

    def _log_start(self, start: Start) -> None:
        if start.trial not in self._logged:
            self._logged.add(start.trial)
            self._started.add(start.trial)
            self.run.append(start)
            self._trackers.follow(self.run)

    def _end(self, name: str, state: State, error: str = "") -> None:
        self.run.append(End(name, state, error))
        self._trackers.follow(self.run)
        self.spent.end(name)
        self.display.left(name, state)
        if state == "PAUSED":
            self._logged.discard(name)
            return
        self._tensorboard.end(name, state)
        self._checkpoints.on_end(name, state, self._last.get(name))


class _Checkpoints:
    """The checkpoints that stay: of trials that run or are paused, and of the best complete ones."""

    def __init__(self, run: Run, history: History, kept: int | None) -> None:
        """Delete what an earlier session had no time to delete; `kept` is None where all stay."""
        self._run, self._kept = run, kept
        self._best: list[Report] = []
        """Last reports of the complete trials of which the checkpoint stays, best first"""
        if kept is None:
            return
        complete = [name for name, state in history.ended.items() if state == "COMPLETE"]
        self._best = self._chosen([history.reports[name][-1] for name in complete])
        stay = {report.trial for report in self._best}
        for name in run.kept_checkpoints():
            if name in history.ended and name not in stay:
                run.drop_checkpoint(name)

    def on_end(self, name: str, state: State, last: Report | None) -> None:
        """Keep the checkpoint of a trial that ended if it is one of the best, and delete that which no longer is."""
        if self._kept is None:
            return
        before = {name, *(report.trial for report in self._best)}
        if state == "COMPLETE" and last is not None:
            self._best = self._chosen([*self._best, last])
        for gone in before - {report.trial for report in self._best}:
            self._run.drop_checkpoint(gone)

    def _chosen(self, complete: list[Report]) -> list[Report]:
        return sorted(complete, key=lambda report: report.fmd)[: self._kept]
