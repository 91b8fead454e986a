"""The state of a run that the sections of a report page are made from."""

import html
import textwrap
from collections.abc import Iterable
from typing import Any

from analysis.page.elements import Cell
from analysis.run.run import Run
from analysis.statistics.confirmed import confirmation_result
from analysis.statistics.equal_seconds import rank_at_seconds
from analysis.statistics.ranking import MetricCard, Row, rank, shared_values
from analysis.text.configuration import describe_trials
from analysis.text.words import fmd_text, number

COLOURED = 5  # trials with a colour of their own, the same in every plot; the eye does not separate more


class ReportContext:
    """A run's tables, ranking and settings, read once so that all sections show the same moment.

    Attributes:
        trials: the table of `Run.trials`.
        rows: its rows, by the trial's name.
        reports: the rows of `Run.curves`.
        budgets: the same at each number of images seen, largest first.
        settings: search.json.
        search, card: the settings of the search and the metric's card; empty before the run has any.
        result: that of the confirmation, if there is one.
        ranking: the trials in the order of analysis/rank.py.
        ranked: its rows that have a rank: those that reported and did not diverge.
        shared: the values that all trials but the baselines share.
        words: what each trial's configuration has that is not shared, in a few words.
        at_seconds: the trials in the order of analysis/rank.py --at seconds.
        order: the ranked trials: first the confirmed ones, best first, then the others as the search ranks them.
        best: the first few of `order`.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.trials = run.trials()
        self.rows: dict[str, Row] = {row["trial"]: row for row in self.trials.to_pylist()}
        curves = run.curves()
        self.reports: list[Row] = curves.to_pylist()
        self.settings = run.settings()
        self.search: dict[str, Any] = self.settings.get("settings", {})
        self.card: MetricCard = self.settings.get("metric", {})
        self.result = confirmation_result(run)
        self.ranking = rank(self.trials, self.card.get("floor"))
        self.at_seconds = rank_at_seconds(self.trials, curves, self.card)
        self.ranked: list[Row] = [row for row in self.ranking.to_pylist() if row["rank"] is not None]
        self.shared = shared_values(self.trials)
        self.words = describe_trials(self.trials, self.shared)
        # The same in lines, for the plots.
        self._wrapped = {trial: "<br>".join(map(plain, textwrap.wrap(text, 48))) for trial, text in self.words.items()}
        confirmed = [standing.trial for standing in self.result.standings] if self.result else []
        self._again = _first_trainings(run.confirmed(), confirmed)
        self.order = list(dict.fromkeys([*confirmed, *(row["trial"] for row in self.ranked)]))
        self.best = self.order[:COLOURED]
        seen = sorted({row["images_seen"] for row in self.reports}, reverse=True)
        self.budgets = {images: [row for row in self.reports if row["images_seen"] == images] for images in seen}

    def pictured(self, trial: str) -> tuple[Run, Row]:
        """Return the training whose pictures stand for a trial, as its run and its row in the table of trials.

        It is the first with a fresh seed where the trial was confirmed, which nobody chose, and else the search's.
        """
        run, row = self._again.get(trial, (self.run, self.rows[trial]))
        return (run, row) if run.picture(row["trial"], "samples").is_file() else (self.run, self.rows[trial])

    def colour(self, trial: str) -> str:
        """Return the CSS variable of a trial's colour, grey for all but the best few."""
        return f"var(--c{self.best.index(trial) + 1})" if trial in self.best else "var(--other)"

    def trial_cell(self, trial: str) -> Cell:
        """Return a table's cell with a trial's name, and its colour in the plots if it has one."""
        return Cell(trial, colour=self.best.index(trial) + 1 if trial in self.best else None)

    def about(self, row: Row) -> str:
        """Return the hover text of a report's mark: the trial, its FMD, its configuration."""
        value = (
            "diverged" if row["diverged"] else f"FMD {fmd_text(row['fmd'])}, normalised {number(row['fmd_normalised'])}"
        )
        return self.hover_text(row["trial"], f"{value}, {row['images_seen']:,} images")

    def hover_text(self, trial: str, value: str) -> str:
        """Return the hover text of a trial's mark, in lines: the trial, the value, the trial's configuration."""
        return "<br>".join(filter(None, (plain(trial), value, self._wrapped[trial])))


def _first_trainings(nested: Run | None, confirmed: Iterable[str]) -> dict[str, tuple[Run, Row]]:
    """Return of each trial that was confirmed the run of the confirmation, and its first training there."""
    if nested is None:
        return {}
    first: dict[str, Row] = {}
    for row in nested.trials().to_pylist():
        if row["fmd"] is not None:
            first.setdefault(row["repeats"], row)
    return {name: (nested, first[name]) for name in confirmed}


def plain(text: str) -> str:
    """Return text escaped for Plotly, which reads some HTML in labels."""
    return html.escape(text, quote=False)
