"""What a search shows while it runs: a view that is drawn anew in place, or lines where there is no terminal."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live

from analysis.run.events import State
from search.progress.budget import OVERTIME, Budget, as_clock
from search.progress.state import Progress
from search.progress.view import measured, summary, view
from search.schedulers import Decision
from search.settings import Settings
from trainables.report import Report

if TYPE_CHECKING:
    from analysis.run.run import Run
    from search.history import History

REFRESH_SECONDS = 1.0
REFRESH_SHARE = 0.03  # of the driver's time: to draw the view takes up to a tenth of a second of one core
REFRESH_AT_LEAST = 10.0  # seconds, however long the last drawing had to wait for a core
SUMMARY_SECONDS = 60.0  # between two lines that sum up, where there is no terminal


class Display:
    """The terminal of a search; it shows nothing if `quiet`."""

    def __init__(self, settings: Settings, budget: Budget, console: Console, quiet: bool) -> None:
        """Start without a view."""
        self.settings, self.budget, self.console, self.quiet = settings, budget, console, quiet
        self.progress = Progress(settings, budget)
        self._run: Run | None = None
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._refreshed = self._summed_up = 0.0
        self._pause = REFRESH_SECONDS
        self._said_out_of_time = False

    def recall(self, run: Run, history: History) -> None:
        """Take in the run that is shown, and what earlier sessions did in it."""
        self._run = run
        self.progress.recall(history)

    def open(self, again: int) -> None:
        """Say what begins, `again` trials of it once more, and show the view where there is a terminal."""
        settings = self.settings
        rungs = ", ".join(f"{rung:,}" for rung in settings.rungs)
        goes_on = f"; goes on with {again} interrupted trials" if self.budget.spent.wall else ""
        self.note(f"{settings.trials} trials, {settings.slots} at a time, compared at {rungs} images{goes_on}")
        self._summed_up = time.monotonic()
        if self.console.is_terminal and not self.quiet:
            self._live.start()

    def close(self) -> None:
        """Take the view away and give the terminal back."""
        self._live.stop()

    def started(self, name: str) -> None:
        """Show a trial that starts, starts again, or continues from where it paused."""
        self.progress.started(name)
        self.refresh()

    def reported(self, report: Report, decision: Decision) -> None:
        """Show a report, and what the trial does after it."""
        self.progress.reported(report, continues=decision is Decision.CONTINUE)
        if not self._live.is_started:
            after = self._after(report, decision)
            self.note(f"{report.trial:<28} {report.images_seen:>11,} images  {measured(report):<26}  {after}")
        self.refresh()

    def left(self, name: str, state: State) -> None:
        """Show that a trial left its slot, PAUSED or for good."""
        self.progress.left(name, state)
        self.refresh()

    def out_of_time(self) -> None:
        """Say, once, that the time budget is spent."""
        if not self._said_out_of_time:
            self._said_out_of_time = True
            end = as_clock(OVERTIME * self.budget.limit)
            self.note(
                f"the time is up: no new trial starts any more; those begun go on to what rungs they reach by {end}"
            )

    def note(self, text: str) -> None:
        """Print a line, above the view where there is one."""
        if not self.quiet:
            line = f"{as_clock(self.budget.elapsed()):>7}  {text}"
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def refresh(self) -> None:
        """Draw the view anew, every few seconds; without a terminal sum up, once a minute."""
        now = time.monotonic()
        if self._live.is_started:
            if now - self._refreshed >= self._pause:
                size = self.console.size
                self._live.update(view(self.progress, self._picture(), size.width, size.height), refresh=True)
                self._refreshed = time.monotonic()
                self._pause = min(max(REFRESH_SECONDS, (self._refreshed - now) / REFRESH_SHARE), REFRESH_AT_LEAST)
        elif now - self._summed_up >= SUMMARY_SECONDS:
            self._summed_up = now
            self.note(summary(self.progress))

    def _after(self, report: Report, decision: Decision) -> str:
        if decision is Decision.CONTINUE:
            return "continues"
        if decision is Decision.PAUSE:
            return "paused"
        if report.diverged:
            return "diverged"
        return "complete" if report.images_seen >= self.settings.rungs[-1] else "pruned"

    def _picture(self) -> str:
        """Return where the picture of the best trial is, as seen from the current folder if it lies in there."""
        best = self.progress.ranked()[:1]
        if not best or self._run is None:
            return ""
        path, here = self._run.sample_grid(best[0]), Path.cwd()
        return str(path.relative_to(here) if path.is_relative_to(here) else path)
