"""Rank the trials of a run: `python analysis/rank.py RUN [--format table|csv|markdown|json|latex|parquet]`."""

import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    # Python put this folder first on the path, where `statistics` hides the standard library's.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from analysis.process import AT_HELP, Parser, carry_out
from analysis.run.run import Run
from analysis.statistics.equal_seconds import rank_at_seconds
from analysis.statistics.ranking import metric_card, rank
from analysis.statistics.where import Condition, read_condition, trials_where
from analysis.text import formats
from analysis.text.equal_seconds import seconds_blocks
from analysis.text.ranking import ranking_blocks, ranking_content, trials_blocks


def main(arguments: Sequence[str] | None = None, command: str = "rank.py") -> int:
    """Run the command line; return the exit status: 0, 2 for a usage error, 130 if interrupted."""
    return carry_out(command, lambda: _rank(arguments, command))


def _rank(arguments: Sequence[str] | None, command: str) -> int:
    parser = Parser(
        prog=command,
        description="Rank the trials of a run at equal images seen, or at equal seconds of training.",
    )
    parser.add_argument("run", help="the run's folder, such as runs/degradations; it may still be going on")
    parser.add_argument("--format", choices=("table", "csv", "markdown", "json", "latex", "parquet"), default="table")
    parser.add_argument("--at", choices=("images", "seconds"), default="images", help=AT_HELP)
    parser.add_argument(
        "--where",
        metavar="FIELD=VALUE",
        action="append",
        default=[],
        help="rank only trials whose configuration has this value, such as network.kind=cnn; repeatable",
    )
    parser.add_argument(
        "--verbose", action="store_true", help="also say what all configurations have in common, in a table"
    )
    given = parser.parse_args(arguments)
    where = [read_condition(text) for text in given.where]
    verbose = given.verbose or given.format != "table"
    _write(Run.open(given.run), given.format, given.at, where, verbose)
    return 0


def _write(run: Run, form: str, at: str, where: Sequence[Condition], verbose: bool) -> None:
    trials, card = trials_where(run.trials(), where), metric_card(run)
    if form in ("json", "csv", "parquet"):
        at_seconds = at == "seconds"
        ranking = rank_at_seconds(trials, run.curves(), card) if at_seconds else rank(trials, card.get("floor"))
        if form == "json":
            formats.write_json(ranking_content(run, trials, ranking) | {"at": at, "where": dict(where)})
        else:
            formats.write_values(ranking, form)
    elif at == "seconds":
        formats.write_blocks(seconds_blocks(run, trials), form)
    else:
        # A confirmation is a race among all of its trials, and shown with all.
        formats.write_blocks(trials_blocks(run, trials, verbose) if where else ranking_blocks(run, verbose), form)


if __name__ == "__main__":
    sys.exit(main())
