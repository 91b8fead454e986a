"""Compare runs with the literature: `python analysis/literature.py RUN ... [--format table|markdown|latex]`.

It shows each of the literature's configurations that the runs trained, at the largest number of images seen that all of
them reached, with what its authors report; then the best that the runs found at the same number. The authors' numbers
are of other measures and other budgets: FID by other networks, losses of other scales.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    # Python put this folder first on the path, where `statistics` hides the standard library's.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from analysis.run.run import Run
from analysis.text import formats
from analysis.text.arguments import Parser
from analysis.text.literature import literature_blocks


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0, or 2 for a usage error."""
    parser = Parser(prog="literature.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="the folder of a run of --space literature, and of others to find the best in",
    )
    parser.add_argument("--format", choices=("table", "markdown", "latex"), default="table")
    given = parser.parse_args(arguments)
    return parser.carry_out(
        lambda: formats.write_blocks(literature_blocks([Run.open(run) for run in given.runs]), given.format)
    )


if __name__ == "__main__":
    sys.exit(main())
