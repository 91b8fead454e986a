"""What the sections of a report are made from: a run, read once, so that all of them show the same moment."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import pyarrow as pa

from analysis import rank
from analysis.run.run import Run
from analysis.statistics.confirmed import Verdict, verdict
from analysis.text.show import configurations

Row = dict[str, Any]
COLOURED = 5  # trials with a colour of their own, the same in every plot; more are not told apart
ENOUGH = 5  # trials below which a plot of all of them shows less than the ranking does


@dataclass(frozen=True)
class Material:
    """A run's tables, its ranking and its settings, as they were when it was read."""

    run: Run
    trials: pa.Table
    reports: list[Row]
    """The rows of Run.curves."""
    settings: Row
    verdict: Verdict | None

    @classmethod
    def of(cls, run: Run) -> Self:
        """Read a run."""
        return cls(run, run.trials(), run.curves().to_pylist(), run.settings(), verdict(run))

    @cached_property
    def card(self) -> Row:
        """The metric's card; empty before the run has one."""
        return self.settings.get("metric", {})

    @cached_property
    def search(self) -> Row:
        """The settings of the search; empty before the run has any."""
        return self.settings.get("settings", {})

    @cached_property
    def rows(self) -> dict[str, Row]:
        """The table of trials, by name."""
        return {row["trial"]: row for row in self.trials.to_pylist()}

    @cached_property
    def ranking(self) -> pa.Table:
        """The trials as analysis/rank.py orders them."""
        return rank.rank(self.trials, self.card.get("floor"))

    @cached_property
    def ranked(self) -> list[Row]:
        """The rows of the ranking that have a place in it: those that reported and did not diverge."""
        return [row for row in self.ranking.to_pylist() if row["rank"] is not None]

    @cached_property
    def shared(self) -> Row:
        """The values that all trials but the baselines share."""
        return rank.usual(self.trials)

    @cached_property
    def words(self) -> dict[str, str]:
        """What each trial's configuration has of its own, in a few words."""
        return configurations(self.trials, self.shared)

    @cached_property
    def best(self) -> list[str]:
        """The best few trials, best first: as they were confirmed, then as the search ranks them."""
        confirmed = [standing.trial for standing in self.verdict.standings] if self.verdict else []
        return list(dict.fromkeys([*confirmed, *(row["trial"] for row in self.ranked)]))[:COLOURED]

    def colour(self, trial: str) -> str:
        """Return the CSS variable of a trial's colour, grey for all but the best few."""
        return f"var(--c{self.best.index(trial) + 1})" if trial in self.best else "var(--other)"

    @cached_property
    def budgets(self) -> dict[int, list[Row]]:
        """The reports at each number of images seen, largest first."""
        seen = sorted({row["images_seen"] for row in self.reports}, reverse=True)
        return {images: [row for row in self.reports if row["images_seen"] == images] for images in seen}

    @cached_property
    def compared(self) -> list[int]:
        """The budgets at which enough trials reported to be shown together, largest first."""
        return [images for images, rows in self.budgets.items() if len(rows) >= ENOUGH]

    def about(self, row: Row) -> str:
        """Return what a pointer over a report's mark is told, in lines: the trial, its FMD, its configuration."""
        value = "diverged" if row["diverged"] else f"FMD {row['fmd']:.4g}, normalised {row['fmd_normalised']:.3f}"
        lines = [plain(row["trial"]), f"{value}, {row['images_seen']:,} images", *wrapped(self.words[row["trial"]])]
        return "<br>".join(lines)


def plain(text: str) -> str:
    """Return text as Plotly, which knows some HTML, shows it as it is."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def wrapped(text: str, width: int = 48) -> list[str]:
    """Return text in lines of at most `width`, safe for Plotly."""
    import textwrap

    return [plain(line) for line in textwrap.wrap(text, width)]


def number(value: float | None, form: str = ".3f") -> str:
    """Return a number as text, a dash for none."""
    return "-" if value is None else format(value, form)


def duration(seconds: float | None) -> str:
    """Return a time in its largest two units: `8 min 18 s`."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def listed(names: list[str], most: int = 6) -> str:
    """Return names in a row, `a, b and c`, and how many more there are."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
