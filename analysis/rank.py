"""Ranks the trials of a run: `python analysis/rank.py RUN [--format table|csv|markdown|json]`.

A trial is ranked among those whose last report is at the same number of images seen, never across: first come the
trials of the full budget, then those that reached the rung before it, and so on; each rung has its own rank 1. A
diverged trial comes last in its rung and has no rank.
"""

import io
import json
import math
import os
import sys
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
from rich.console import Console

from analysis.arguments import Parser
from analysis.results import Run, RunError, write_atomically
from analysis.show import heading, legend, markdown, table
from analysis.tables import fields

Row = dict[str, Any]
MEASURED = ("fmd", "fmd_se", "fmd_normalised", "fmd_corrected", "train_seconds", "parameters", "nfe")


def rank(trials: pa.Table, floor: float | None) -> pa.Table:
    """Order and rank trials.

    Args:
        trials: the table of `Run.trials`.
        floor: FMD of real against real images, as many as a trial samples; a column, so that each row explains itself.

    Returns:
        One row a trial: images_seen, rung, rank (int64, from 1 in each rung; null for a trial that diverged or has not
        reported), tied (bool: not distinguishable from the row above), trial, baseline, state, diverged, what was
        measured, and the configuration's fields that vary.
    """
    rows = trials.select(["images_seen", "diverged", "fmd", "fmd_se", "number"]).to_pylist()
    order = sorted(range(len(rows)), key=lambda i: _key(rows[i]))
    ranks: list[int | None] = []
    tied: list[bool] = []
    for _, rung in groupby((rows[i] for i in order), key=lambda row: row["images_seen"]):
        above = None
        for place, row in enumerate(rung, start=1):
            ranks.append(place if _measured(row) else None)
            tied.append(above is not None and _measured(row) and indistinguishable(above, row))
            above = row
    ordered = trials.take(pa.array(order, pa.int64()))
    columns = {name: ordered[name] for name in ("images_seen", "rung")}
    columns |= {"rank": pa.array(ranks, pa.int64()), "tied": pa.array(tied, pa.bool_())}
    columns |= {name: ordered[name] for name in ("trial", "baseline", "state", "diverged", *MEASURED)}
    columns["floor"] = pa.array([floor] * len(order), pa.float64())
    return pa.table(columns | {name: ordered[name] for name in varied(trials)})


def indistinguishable(a: Row, b: Row) -> bool:
    """Return whether two FMDs differ by less than twice the standard error of the difference of independent values."""
    return abs(a["fmd"] - b["fmd"]) < 2 * math.hypot(a["fmd_se"] or 0.0, b["fmd_se"] or 0.0)


def varied(trials: pa.Table) -> list[str]:
    """Return the configuration's fields of which two trials have different values."""
    return [name for name in fields(trials) if len(trials[name].drop_null().unique()) > 1]


def usual(trials: pa.Table) -> Row:
    """Return the configuration's fields, with their value, that are the same in all trials but the baselines.

    The literature's configurations differ from a search's in nearly every field, which would make each row a long one.
    """
    searched = trials.filter(pyarrow.compute.equal(trials["baseline"], ""))
    values = {name: (searched if len(searched) else trials)[name].drop_null().unique() for name in fields(trials)}
    return {name: value[0].as_py() for name, value in values.items() if len(value) == 1}


def as_csv(run: Run) -> str:
    """Return the run's ranking as CSV with a header line; a null is empty and unquoted, a text is quoted."""
    data = io.BytesIO()
    pyarrow.csv.write_csv(rank(run.trials(), metric(run).get("floor")), data)
    return data.getvalue().decode()


def as_json(run: Run) -> str:
    """Return the run's ranking as JSON, with the metric and what the trials share; a null is left out."""
    trials, card = run.trials(), metric(run)
    ranking = rank(trials, card.get("floor"))
    rows = [{name: value for name, value in row.items() if value is not None} for row in ranking.to_pylist()]
    shared = {name: value for name, value in usual(trials).items() if name not in ranking.column_names}
    return json.dumps({"run": run.name, "metric": card, "shared": shared, "ranking": rows}, indent=2) + "\n"


def metric(run: Run) -> Row:
    """Return the card of the run's metric: version, layer, n, floor, blank; empty before the run has one."""
    return run.settings().get("metric", {})


def write_ranking(run: Run) -> None:
    """Write the run's ranking.csv, see `rank` for its columns."""
    write_atomically(run.ranking, as_csv(run).encode())


def display(run: Run, console: Console) -> None:
    """Print the run's ranking as a table, with what it needs to be understood."""
    trials, card = run.trials(), metric(run)
    shared = usual(trials)
    console.print(heading(run.name, card, trials), "", markup=False, highlight=False, sep="\n")
    console.print(table(rank(trials, card.get("floor")), trials, shared))
    console.print("", legend(trials, shared), markup=False, highlight=False, sep="\n")


def as_markdown(run: Run) -> str:
    """Return the run's ranking as Markdown, with what it needs to be understood."""
    trials, card = run.trials(), metric(run)
    shared = usual(trials)
    body = markdown(rank(trials, card.get("floor")), trials, shared)
    return f"{heading(run.name, card, trials)}\n\n{body}\n{legend(trials, shared)}\n"


def _measured(row: Row) -> bool:
    return row["fmd"] is not None and not row["diverged"]


def _key(row: Row) -> tuple[float, ...]:
    if row["fmd"] is None:
        return (math.inf, 0, 0, row["number"] or 0)
    return (-row["images_seen"], row["diverged"], row["fmd"], row["number"] or 0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0, or 2 for a usage error."""
    parser = Parser(prog="rank.py", description="Ranks the trials of a run, each among those of equal images seen.")
    parser.add_argument("run", help="the run's folder, such as runs/degradations; it may still be going on")
    parser.add_argument("--format", choices=("table", "csv", "markdown", "json"), default="table")
    given = parser.parse_args(arguments)
    try:
        run = Run.open(given.run)
        if given.format == "table":
            piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
            display(run, Console(width=120 if piped else None))
        else:
            sys.stdout.write({"csv": as_csv, "markdown": as_markdown, "json": as_json}[given.format](run))
    except RunError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
