"""Write a comparison of runs as text."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from analysis.statistics.comparison import Comparison, run_of
from analysis.statistics.ranking import shared_values
from analysis.text import formats
from analysis.text.configuration import describe_trials
from analysis.text.confirmation import DROPS as CONFIRMED_DROPS
from analysis.text.confirmation import standing_remarks, standing_texts, standings_form
from analysis.text.equal_seconds import COLUMNS as SECONDS_COLUMNS
from analysis.text.equal_seconds import seconds_legend, seconds_parts
from analysis.text.formats import Block, Part, Sheet
from analysis.text.ranking import COLUMNS, DROPS, TEXTS, legend, ranking_parts, run_heading

TRIAL = COLUMNS.index("trial")
CONFIRMED = ("run", "trial", "FMD", "95 % interval", "behind", "seeds", "P(best)", "norm.", "remarks")


def comparison_blocks(comparison: Comparison) -> list[Block]:
    """Return a comparison as paragraphs and tables, with what is needed to understand it; empty tables are left out.

    Runs are numbered in the heading, and called by their number in the tables.
    """
    shared = shared_values(comparison.trials)
    words = describe_trials(comparison.trials, shared)
    numbers = {name: str(number) for number, name in enumerate(comparison.runs, start=1)}

    def sheet(title: str, columns: Sequence[str], parts: Iterable[Part]) -> Sheet:
        with_run = (*columns[:TRIAL], "run", *columns[TRIAL:])
        return Sheet(with_run, TEXTS, [_numbered(part, numbers) for part in parts], title=title, drops=DROPS)

    common = [part for ranking in comparison.common for part in ranking_parts(ranking, words)]
    if comparison.at_seconds:
        ranked = sheet("All trials at equal seconds", SECONDS_COLUMNS, seconds_parts(comparison.ranking, words))
        explained = seconds_legend(comparison.ranking, comparison.trials, shared)
    else:
        ranked = sheet("All trials", COLUMNS, ranking_parts(comparison.ranking, words))
        explained = legend(comparison.trials, shared)
    form = standings_form(comparison.confirmed) if comparison.confirmed else ""
    confirmed = [
        [numbers[run_of(one.trial)], one.trial.rpartition("/")[2], *standing_texts(one, form), standing_remarks(one)]
        for one in comparison.confirmed
    ]
    sheets = [
        Sheet(
            CONFIRMED,
            TEXTS,
            [("", confirmed)] if confirmed else [],
            title="Confirmed with fresh seeds",
            drops=CONFIRMED_DROPS,
        ),
        sheet("The best of each", COLUMNS, ranking_parts(comparison.best, words)),
        sheet("In common", COLUMNS, common),
        ranked,
    ]
    return [_heading(comparison), *(sheet for sheet in sheets if sheet.parts), explained]


def _heading(comparison: Comparison) -> str:
    """Return a line for each run, numbered, one for the metric that they share, and why confirmations are left out."""
    last = list(comparison.runs)[-1]
    lines = [
        f"{number}  {run_heading(name, comparison.card if name == last else {}, run.trials())}"
        for number, (name, run) in enumerate(comparison.runs.items(), start=1)
    ]
    if comparison.unequal:
        lines.append(f"What was confirmed does not compare: {comparison.unequal}")
    return "\n".join(lines)


def _numbered(part: Part, numbers: Mapping[str, str]) -> Part:
    """Return a part of a ranking with its column of RUN/TRIAL as two, the run's number and the trial."""
    title, rows = part
    names = [row[TRIAL].rpartition("/") for row in rows]
    return title, [
        [*row[:TRIAL], numbers[run], trial, *row[TRIAL + 1 :]] for row, (run, _, trial) in zip(rows, names, strict=True)
    ]


def with_run_column(ranking: pa.Table) -> pa.Table:
    """Return a ranking with its column of RUN/TRIAL as two, `run` and `trial`."""
    place, names = ranking.column_names.index("trial"), ranking["trial"].to_pylist()
    runs = pa.array([run_of(name) for name in names], pa.string())
    trials = pa.array([name.rpartition("/")[2] for name in names], pa.string())
    return ranking.set_column(place, "trial", trials).add_column(place, "run", runs)


def comparison_content(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as plain values."""

    def rows(ranking: pa.Table) -> list[dict[str, Any]]:
        return formats.rows_without_nulls(with_run_column(ranking))

    return {
        "runs": {name: run.uri for name, run in comparison.runs.items()},
        "metric": comparison.card,
        "confirmed": [asdict(standing) for standing in comparison.confirmed],
        "best": rows(comparison.best),
        "common": [rows(ranking) for ranking in comparison.common],
        "at": "seconds" if comparison.at_seconds else "images",
        "ranking": rows(comparison.ranking),
    }
