"""What a search shows while it runs: a view that is drawn anew in place, or lines where there is no terminal."""

import time
from collections.abc import Callable
from pathlib import Path

from rich.live import Live

from analysis.run.events import State
from analysis.run.run import Run
from analysis.text.words import counted
from search.history import History
from search.progress.budget import OVERTIME, as_clock
from search.progress.notes import Notes
from search.progress.state import Progress
from search.progress.view import measured, summary, view
from search.schedulers import Decision
from search.settings import Settings
from trainables.report import Report

REFRESH_SECONDS = 1.0
REFRESH_SHARE = 0.03  # of the driver's time: to draw the view takes up to a tenth of a second of one core
REFRESH_AT_LEAST = 10.0  # seconds, however long the last drawing had to wait for a core
SUMMARY_SECONDS = 60.0  # between two lines that sum up, where there is no terminal


class Display:
    """The terminal of a search or of a confirmation; it shows nothing if its notes are quiet."""

    def __init__(self, settings: Settings, notes: Notes, after: Callable[[], float] = lambda: 0.0) -> None:
        """Start without a view; `after` returns the seconds of the budget that are for what comes after the trials."""
        self.settings, self.notes = settings, notes
        self.progress = Progress(settings, notes.budget, after)
        self._run: Run | None = None
        self._live = Live(console=notes.console, auto_refresh=False, transient=True)
        self._refreshed = self._summed_up = 0.0
        self._warned = False
        self._refresh_every = REFRESH_SECONDS

    def recall(self, run: Run, history: History) -> None:
        """Show a run, and count what earlier sessions did in it."""
        self._run = run
        self.progress.recall(history)

    def open(self, again: int) -> None:
        """Show the view where there is a terminal, and say whether `again` trials go on that were interrupted."""
        if again:
            self.notes.say(f"goes on with {counted(again, 'interrupted trial')}")
        self._summed_up = time.monotonic()
        if self.notes.console.is_terminal and not self.notes.quiet:
            self._live.start()

    def close(self) -> None:
        """Take the view away and give the terminal back."""
        self._live.stop()

    def started(self, name: str) -> None:
        """Show a trial that starts, starts again, or continues from where it paused."""
        self.progress.started(name)
        self.refresh()

    def advanced(self, name: str, images: int) -> None:
        """Show how many images a running trial has seen; warn, once, where none will reach its first rung in time.

        Nothing is said where it is close: paces vary, and trainings of a confirmation may run on for `OVERTIME`.
        """
        progress = self.progress
        progress.advanced(name, images)
        seconds, left = progress.seconds_to_rung(name), progress.trials_left()
        if self._warned or progress.reports or seconds is None or seconds <= left + OVERTIME * progress.budget.limit:
            return
        self._warned = True
        self.notes.say(
            f"{name} reaches its first rung, {progress.next_rung(name):,} images, only in {as_clock(seconds)}, and the "
            f"time of the trials ends in {as_clock(left)}. If no other is faster, nothing comes of it: give a larger "
            "--time-budget, or smaller --max-images and --grace-images"
        )

    def reported(self, report: Report, decision: Decision) -> None:
        """Show a report, and what the trial does after it."""
        self.progress.reported(report, continues=decision is Decision.CONTINUE)
        if not self._live.is_started:
            after = self._after(report, decision)
            self.notes.say(f"{report.trial:<22} {report.images_seen:>9,} images  {measured(report):<17}  {after}")
        self.refresh()

    def left(self, name: str, state: State) -> None:
        """Show that a trial left its slot, PAUSED or for good."""
        self.progress.left(name, state)
        self.refresh()

    def refresh(self) -> None:
        """Draw the view anew, every few seconds; without a terminal sum up, once a minute."""
        now = time.monotonic()
        if self._live.is_started:
            if now - self._refreshed >= self._refresh_every:
                size = self.notes.console.size
                self._live.update(view(self.progress, self._picture(), size.width, size.height), refresh=True)
                self._refreshed = time.monotonic()
                self._refresh_every = min(
                    max(REFRESH_SECONDS, (self._refreshed - now) / REFRESH_SHARE), REFRESH_AT_LEAST
                )
        elif now - self._summed_up >= SUMMARY_SECONDS:
            self._summed_up = now
            self.notes.say(summary(self.progress))

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
        path, here = self._run.picture(best[0], "samples"), Path.cwd()
        return str(path.relative_to(here) if path.is_relative_to(here) else path)
