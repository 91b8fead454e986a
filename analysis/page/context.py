"""The state of a run that the sections of a report page are made from."""

from __future__ import annotations

import html
import textwrap
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import pyarrow as pa

from analysis.page.elements import Cell
from analysis.run.run import Run
from analysis.statistics.confirmed import ConfirmationResult, confirmation_result
from analysis.statistics.ranking import MetricCard, Row, rank, shared_values
from analysis.text.configuration import describe_trials

COLOURED = 5  # trials with a colour of their own, the same in every plot; the eye does not separate more
ENOUGH = 5  # trials below which a plot of all of them shows less than the ranking does


@dataclass(frozen=True)
class ReportContext:
    """A run's tables, ranking and settings, read once so that all sections show the same moment.

    Attributes:
        run: the run.
        trials: the table of `Run.trials`.
        reports: the rows of `Run.curves`.
        settings: search.json.
        result: that of the confirmation, if there is one.
    """

    run: Run
    trials: pa.Table
    reports: list[Row]
    settings: dict[str, Any]
    result: ConfirmationResult | None

    @classmethod
    def of(cls, run: Run) -> Self:
        """Read a run."""
        return cls(run, run.trials(), run.curves().to_pylist(), run.settings(), confirmation_result(run))

    @cached_property
    def card(self) -> MetricCard:
        """The metric's card; empty before the run has one."""
        return self.settings.get("metric", {})

    @cached_property
    def search(self) -> dict[str, Any]:
        """The settings of the search; empty before the run has any."""
        return self.settings.get("settings", {})

    @cached_property
    def rows(self) -> dict[str, Row]:
        """The table of trials, by name."""
        return {row["trial"]: row for row in self.trials.to_pylist()}

    @cached_property
    def ranking(self) -> pa.Table:
        """The trials in the order of analysis/rank.py."""
        return rank(self.trials, self.card.get("floor"))

    @cached_property
    def ranked(self) -> list[Row]:
        """The rows of the ranking that have a rank: those that reported and did not diverge."""
        return [row for row in self.ranking.to_pylist() if row["rank"] is not None]

    @cached_property
    def shared(self) -> Row:
        """The values that all trials but the baselines share."""
        return shared_values(self.trials)

    @cached_property
    def words(self) -> dict[str, str]:
        """What each trial's configuration has that is not shared, in a few words."""
        return describe_trials(self.trials, self.shared)

    @cached_property
    def best(self) -> list[str]:
        """The best few trials: first the confirmed ones, best first, then the others as the search ranks them."""
        confirmed = [standing.trial for standing in self.result.standings] if self.result else []
        return list(dict.fromkeys([*confirmed, *(row["trial"] for row in self.ranked)]))[:COLOURED]

    def colour(self, trial: str) -> str:
        """Return the CSS variable of a trial's colour, grey for all but the best few."""
        return f"var(--c{self.best.index(trial) + 1})" if trial in self.best else "var(--other)"

    def trial_cell(self, trial: str) -> Cell:
        """Return a table's cell with a trial's name, and its colour in the plots if it has one."""
        return Cell(trial, colour=self.best.index(trial) + 1 if trial in self.best else None)

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
        """Return the hover text of a report's mark, in lines: the trial, its FMD, its configuration."""
        value = "diverged" if row["diverged"] else f"FMD {row['fmd']:.4g}, normalised {row['fmd_normalised']:.3f}"
        lines = [plain(row["trial"]), f"{value}, {row['images_seen']:,} images", *wrapped(self.words[row["trial"]])]
        return "<br>".join(lines)


def plain(text: str) -> str:
    """Return text escaped for Plotly, which reads some HTML in labels."""
    return html.escape(text, quote=False)


def wrapped(text: str, width: int = 48) -> list[str]:
    """Return text in lines of at most `width`, escaped for Plotly."""
    return [plain(line) for line in textwrap.wrap(text, width)]
