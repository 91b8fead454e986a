"""Compare runs: `python analysis/compare.py RUN RUN ... [--format table|csv|markdown|json|latex|parquet]`.

It shows the trials that were confirmed with fresh seeds, in one race; the best trial of each run at the largest number
of images seen that all have reached; the configurations that more than one run trained; and the trials of all runs,
ranked as analysis/rank.py ranks those of one. CSV and Parquet have this ranking only. Runs compare only if they were
measured by one version of the metric on the same images. The best of more trials has a lower FMD for that reason alone;
a confirmed FMD does not. Seconds compare only between runs on equal machines. Give a run and not its confirmation:
what was confirmed is taken from each run, and compared within the seeds that they share.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    # Python put this folder first on the path, where `statistics` hides the standard library's.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from analysis.process import AT_HELP, Parser, carry_out
from analysis.run.run import Run
from analysis.statistics.comparison import compare
from analysis.text import formats
from analysis.text.comparison import comparison_blocks, comparison_content, with_run_column


def main(arguments: Sequence[str] | None = None, command: str = "compare.py") -> int:
    """Run the command line; return the exit status: 0, 2 for a usage error, 130 if interrupted."""
    return carry_out(command, lambda: _compare(arguments, command))


def _compare(arguments: Sequence[str] | None, command: str) -> int:
    parser = Parser(prog=command, description=__doc__)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="the folder of a run, such as runs/degradations")
    parser.add_argument("--format", choices=("table", "csv", "markdown", "json", "latex", "parquet"), default="table")
    parser.add_argument("--at", choices=("images", "seconds"), default="images", help=AT_HELP)
    given = parser.parse_args(arguments)
    runs = [Run.open(run) for run in given.runs]
    comparison = compare(runs, at_seconds=given.at == "seconds")
    if given.format == "json":
        formats.write_json(comparison_content(comparison))
    elif given.format in ("csv", "parquet"):
        formats.write_values(with_run_column(comparison.ranking), given.format)
    else:
        formats.write_blocks(comparison_blocks(comparison), given.format)
    return 0


if __name__ == "__main__":
    sys.exit(main())
