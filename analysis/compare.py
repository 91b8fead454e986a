"""Runs side by side: `python analysis/compare.py RUN RUN ... [--format table|csv|markdown|json|latex|parquet]`.

Shown are what was confirmed with fresh seeds, in one race; the best of each run at the largest number of images seen
that all have reached; the configurations that more than one run trained; and the trials of all runs ranked as
analysis/rank.py ranks those of one, which is all there is as CSV and Parquet. Runs compare only if they were measured
by one version of the metric on the same images. The best of more trials reads lower for that alone; what was confirmed
does not.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

if __name__ == "__main__":
    # Python put this folder first on the path, where `statistics` hides the standard library's.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import pyarrow as pa

from analysis.rank import usual
from analysis.run.run import Run
from analysis.statistics.comparison import Comparison, Row, compare, run_of
from analysis.statistics.confirmed import Standing
from analysis.text import formats
from analysis.text.arguments import Parser
from analysis.text.formats import Part, Sheet
from analysis.text.show import COLUMNS, TEXTS, cells, heading, legend

TRIAL = COLUMNS.index("trial")
CONFIRMED = ("run", "trial", "seeds", "FMD", "norm.", "95 % interval", "P(best)", "remarks")


def values(ranking: pa.Table) -> pa.Table:
    """Return a ranking with its column of RUN/TRIAL as two, `run` and `trial`."""
    place, names = ranking.column_names.index("trial"), ranking["trial"].to_pylist()
    runs = pa.array([run_of(name) for name in names], pa.string())
    trials = pa.array([name.rpartition("/")[2] for name in names], pa.string())
    return ranking.set_column(place, "trial", trials).add_column(place, "run", runs)


def sheets(comparison: Comparison) -> dict[str, Sheet]:
    """Return what is shown as texts, by its heading; what is empty is left out. Runs are numbered as in `_heading`."""
    trials = comparison.trials
    shared = usual(trials)
    numbers = {name: str(number) for number, name in enumerate(comparison.runs, start=1)}

    def parts(ranking: pa.Table) -> list[Part]:
        return [(title, [_numbered(row, numbers) for row in rows]) for title, rows in cells(ranking, trials, shared)]

    common = [part for ranking in comparison.common for part in parts(ranking)]
    shown = {"The best of each": parts(comparison.best), "In common": common, "All trials": parts(comparison.ranking)}
    columns = (*COLUMNS[:TRIAL], "run", *COLUMNS[TRIAL:])
    ranked = {title: Sheet(columns, TEXTS, rows) for title, rows in shown.items() if rows}
    if not comparison.confirmed:
        return ranked
    confirmed = [_confirmed(standing, numbers) for standing in comparison.confirmed]
    return {"Confirmed with fresh seeds": Sheet(CONFIRMED, TEXTS, [("", confirmed)]), **ranked}


def _confirmed(standing: Standing, numbers: Mapping[str, str]) -> list[str]:
    run, _, trial = standing.trial.rpartition("/")
    remarks = " ".join(filter(None, (standing.baseline, "may be the best" if standing.tied else "")))
    low, high = standing.normalised_low, standing.normalised_high
    means = [f"{standing.fmd:.4g}", f"{standing.normalised:.3f}", f"{low:.3f} to {high:.3f}"]
    return [numbers[run], trial, str(len(standing.fmds)), *means, f"{100 * standing.p_best:.0f} %", remarks]


def as_text(comparison: Comparison, form: Callable[[Sheet], str], title: str, comment: Callable[[str], str]) -> str:
    """Return the sheets in a format, each under its title, with what they need to be understood as comments."""
    body = "".join(f"{title.format(name)}\n\n{form(sheet)}\n" for name, sheet in sheets(comparison).items())
    return f"{comment(_heading(comparison))}\n{body}{comment(legend(comparison.trials, usual(comparison.trials)))}"


def as_json(comparison: Comparison) -> str:
    """Return the comparison as JSON; a null is left out."""

    def rows(ranking: pa.Table) -> list[Row]:
        return [{k: value for k, value in row.items() if value is not None} for row in values(ranking).to_pylist()]

    told = {
        "runs": {name: run.uri for name, run in comparison.runs.items()},
        "metric": comparison.card,
        "confirmed": [asdict(standing) for standing in comparison.confirmed],
        "best": rows(comparison.best),
        "common": [rows(ranking) for ranking in comparison.common],
        "ranking": rows(comparison.ranking),
    }
    return json.dumps(told, indent=2) + "\n"


WRITERS: dict[str, Callable[[Comparison], str | bytes]] = {
    "csv": lambda comparison: formats.csv(values(comparison.ranking)),
    "markdown": lambda comparison: as_text(comparison, formats.markdown, "**{}**", "{}\n".format),
    "json": as_json,
    "latex": lambda comparison: as_text(comparison, formats.latex, "% {}", formats.comment),
    "parquet": lambda comparison: formats.parquet(values(comparison.ranking)),
}


def display(comparison: Comparison) -> None:
    """Print the comparison as tables."""
    console = formats.console()
    console.print(_heading(comparison), markup=False, highlight=False)
    for name, sheet in sheets(comparison).items():
        console.print("", name, sep="\n", style="bold")
        console.print(formats.terminal(sheet))
    console.print("", legend(comparison.trials, usual(comparison.trials)), markup=False, highlight=False, sep="\n")


def _heading(comparison: Comparison) -> str:
    """Return a line for each run, numbered, one for the metric that they share, and what is to be said besides."""
    last = list(comparison.runs)[-1]
    lines = [
        f"{number}  {heading(name, comparison.card if name == last else {}, run.trials())}"
        for number, (name, run) in enumerate(comparison.runs.items(), start=1)
    ]
    if comparison.unequal:
        lines.append(f"What was confirmed does not compare: {comparison.unequal}")
    return "\n".join(lines)


def _numbered(row: list[str], numbers: Mapping[str, str]) -> list[str]:
    run, _, trial = row[TRIAL].rpartition("/")
    return [*row[:TRIAL], numbers[run], trial, *row[TRIAL + 1 :]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0, or 2 for a usage error."""
    parser = Parser(prog="compare.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="the folder of a run, such as runs/degradations")
    parser.add_argument("--format", choices=("table", *WRITERS), default="table")
    given = parser.parse_args(arguments)

    def work() -> None:
        comparison = compare([Run.open(run) for run in given.runs])
        if given.format == "table":
            display(comparison)
        else:
            formats.write(WRITERS[given.format](comparison))

    return parser.carry_out(work)


if __name__ == "__main__":
    sys.exit(main())
