"""Rank the trials of a run: `python analysis/rank.py RUN [--format table|csv|markdown|json|latex|parquet]`."""

import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    # Python put this folder first on the path, where `statistics` hides the standard library's.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from analysis.run.run import Run
from analysis.statistics.ranking import rank_run
from analysis.text import formats
from analysis.text.arguments import Parser
from analysis.text.ranking import ranking_blocks, ranking_content


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0, or 2 for a usage error."""
    parser = Parser(prog="rank.py", description="Rank the trials of a run, each among those of equal images seen.")
    parser.add_argument("run", help="the run's folder, such as runs/degradations; it may still be going on")
    parser.add_argument("--format", choices=("table", "csv", "markdown", "json", "latex", "parquet"), default="table")
    given = parser.parse_args(arguments)
    return parser.carry_out(lambda: _write(Run.open(given.run), given.format))


def _write(run: Run, form: str) -> None:
    if form == "json":
        formats.write_json(ranking_content(run))
    elif form in ("csv", "parquet"):
        formats.write_values(rank_run(run), form)
    else:
        formats.write_blocks(ranking_blocks(run), form)


if __name__ == "__main__":
    sys.exit(main())
