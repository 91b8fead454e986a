"""What a search shows while it runs: one table that stays where it is, or plain lines where there is no terminal."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from search.ledger import OVERTIME, Ledger, as_clock
from search.settings import Settings

SHOWN_BEST = 8
REFRESH_SECONDS = 1.0
WORDS = {"COMPLETE": "complete", "PRUNED": "stopped", "FAIL": "failed"}


class Display:
    """Keeps what it is told about trials, and shows it; nothing at all if `quiet`."""

    def __init__(self, settings: Settings, ledger: Ledger, console: Console, quiet: bool) -> None:
        """Show nothing yet."""
        self.settings, self.ledger, self.console, self.quiet = settings, ledger, console, quiet
        self._states: dict[str, str] = {}
        self._reports: dict[str, dict[str, Any]] = {}
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._refreshed = 0.0
        self._said_out_of_time = False

    def open(self, again: int) -> None:
        """Say what begins, `again` trials of it once more, and show the table where there is a terminal."""
        settings = self.settings
        rungs = ", ".join(f"{rung:,}" for rung in settings.rungs)
        goes_on = f"; goes on with {again} interrupted trials" if self.ledger.spent.wall else ""
        self.note(f"{settings.trials} trials, {settings.slots} at a time, compared at {rungs} images{goes_on}")
        if self.console.is_terminal and not self.quiet:
            self._live.start()

    def close(self) -> None:
        """Take the table away and give the terminal back."""
        self._live.stop()

    def started(self, name: str) -> None:
        """Show a trial that starts, or starts again."""
        self._states[name] = "running"
        self.refresh()

    def reported(self, name: str, report: dict[str, Any], stops: bool) -> None:
        """Show a report; `stops` says that the trial does not go on from there."""
        self._reports[name] = report
        if not self._live.is_started:
            full = report["images_seen"] >= self.settings.rungs[-1]
            fate = "diverged" if report["diverged"] else "complete" if full else "stopped" if stops else "goes on"
            self.note(f"{name:<28} {report['images_seen']:>11,} images  {_measured(report):<26}  {fate}")
        self.refresh()

    def ended(self, name: str, state: str) -> None:
        """Show how a trial ended."""
        self._states[name] = "diverged" if self._reports.get(name, {}).get("diverged") else WORDS[state]
        self.refresh()

    def out_of_time(self) -> None:
        """Say, once, that the time budget is spent."""
        if not self._said_out_of_time:
            self._said_out_of_time = True
            end = as_clock(OVERTIME * self.ledger.budget)
            self.note(
                f"the time is up: no trial starts any more; those running go on to what rungs they reach by {end}"
            )

    def note(self, text: str) -> None:
        """Print a line, above the table where there is one."""
        if not self.quiet:
            line = f"{as_clock(self.ledger.elapsed()):>7}  {text}"
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def refresh(self) -> None:
        """Draw the table anew, at most once a second."""
        if self._live.is_started and time.monotonic() - self._refreshed >= REFRESH_SECONDS:
            self._live.update(self._shown(), refresh=True)
            self._refreshed = time.monotonic()

    def _shown(self) -> Group:
        table = Table(box=None, pad_edge=False)
        for column, justify in (
            ("trial", "left"),
            ("images", "right"),
            ("FMD", "right"),
            ("norm.", "right"),
            ("", "left"),
        ):
            table.add_column(column, justify=justify, no_wrap=True)  # type: ignore[arg-type]
        ranked = sorted(self._reports, key=lambda name: _rank(self._reports[name]))
        running = [name for name, state in self._states.items() if state == "running"]
        for name in dict.fromkeys([*ranked[:SHOWN_BEST], *running]):
            table.add_row(name, *_cells(self._reports.get(name)), self._states.get(name, ""))
        return Group(Text(self._title(), no_wrap=True, overflow="ellipsis"), table)

    def _title(self) -> str:
        states = list(self._states.values())
        counts = [f"{states.count(state)} {state}" for state in dict.fromkeys(sorted(states))]
        begun = f"{len(states)} of {self.settings.trials} trials: {', '.join(counts)}"
        return f"{self.settings.name}  {as_clock(self.ledger.elapsed())} of {as_clock(self.ledger.budget)}  {begun}\n"


def _rank(report: dict[str, Any]) -> tuple[float, bool, float]:
    return -report["images_seen"], report["diverged"], report["fmd"]


def _measured(report: dict[str, Any]) -> str:
    return f"FMD {report['fmd']:.4g} ({report['fmd_normalised']:.3f})"


def _cells(report: dict[str, Any] | None) -> tuple[str, str, str]:
    if report is None:
        return "", "", ""
    return f"{report['images_seen']:,}", f"{report['fmd']:.4g}", f"{report['fmd_normalised']:.3f}"
