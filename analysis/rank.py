"""Ranks the trials of a run: `python analysis/rank.py RUN [--format table|csv|markdown|json|latex|parquet]`.

A trial is ranked among those whose last report is at the same number of images seen, never across: first come the
trials of the full budget, then those that reached the rung before it, and so on; each rung has its own rank 1. A
diverged trial comes last in its rung and has no rank.
"""

import json
import math
import sys
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    # Python put this folder first on the path, where `statistics` hides the standard library's.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import pyarrow as pa
import pyarrow.compute
from rich.console import Console

from analysis.run.run import Run
from analysis.run.tables import fields
from analysis.statistics.confirmed import Standing, verdict
from analysis.text import formats
from analysis.text.arguments import Parser
from analysis.text.show import configurations, heading, legend, sheet, standing_sheet

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
    return formats.csv(rank(run.trials(), metric(run).get("floor")))


def as_parquet(run: Run) -> bytes:
    """Return the run's ranking as Parquet."""
    return formats.parquet(rank(run.trials(), metric(run).get("floor")))


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
    run.write(run.ranking, as_csv(run).encode())


def display(run: Run, console: Console) -> None:
    """Print what a confirmation says, if there is one, and the run's ranking, with what they need to be understood."""
    trials, card = run.trials(), metric(run)
    shared = usual(trials)
    confirmed = verdict(run)
    if confirmed is not None:
        words = configurations(trials, shared)
        again = "Again with fresh seeds, judged by images that the search did not see"
        _display(again, confirmed.standings, confirmed.metric, words, console)
        if confirmed.final:
            _display("The same models on the test images", confirmed.final, confirmed.final_metric, words, console)
        console.print(*confirmed.sentences, "", sep="\n", markup=False, highlight=False)
    console.print(heading(run.name, card, trials), "", markup=False, highlight=False, sep="\n")
    console.print(formats.terminal(sheet(rank(trials, card.get("floor")), trials, shared)))
    console.print("", legend(trials, shared), markup=False, highlight=False, sep="\n")


def _display(title: str, standings: Sequence[Standing], card: Row, words: dict[str, str], console: Console) -> None:
    judged = (
        f"by the {card['split']} images, FMD {card['version']}, floor {card['floor']:.4g}, blank {card['blank']:.4g}"
    )
    console.print(f"{title}, {judged}", markup=False, highlight=False)
    console.print(formats.terminal(standing_sheet(standings, words)), "")


def as_markdown(run: Run) -> str:
    """Return the run's ranking as Markdown, with what it needs to be understood."""
    trials, card = run.trials(), metric(run)
    shared = usual(trials)
    body = formats.markdown(sheet(rank(trials, card.get("floor")), trials, shared))
    return f"{heading(run.name, card, trials)}\n\n{body}\n{legend(trials, shared)}\n"


def as_latex(run: Run) -> str:
    """Return the run's ranking as a tabular of LaTeX, with what it needs to be understood as comments."""
    trials, card = run.trials(), metric(run)
    shared = usual(trials)
    body = formats.latex(sheet(rank(trials, card.get("floor")), trials, shared))
    return f"{formats.comment(heading(run.name, card, trials))}{body}{formats.comment(legend(trials, shared))}"


WRITERS: dict[str, Callable[[Run], str | bytes]] = {
    "csv": as_csv,
    "markdown": as_markdown,
    "json": as_json,
    "latex": as_latex,
    "parquet": as_parquet,
}


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
    parser.add_argument("--format", choices=("table", *WRITERS), default="table")
    given = parser.parse_args(arguments)

    def work() -> None:
        run = Run.open(given.run)
        if given.format == "table":
            display(run, formats.console())
        else:
            formats.write(WRITERS[given.format](run))

    return parser.carry_out(work)


if __name__ == "__main__":
    sys.exit(main())
