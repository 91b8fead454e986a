"""Compare runs with the literature: `python analysis/literature.py RUN ... [--only ROW,...|--folds] [--format ...]`.

It shows each of the literature's configurations that the runs trained, at the largest number of images seen that all of
them reached, with what its authors report; then the best that the runs found at the same number. The authors' numbers
are of other measures and other budgets: FID by other networks, losses of other scales. With --folds it shows the
cross-validation of a run of --space folds.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    # Python put this folder first on the path, where `statistics` hides the standard library's.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from analysis.process import Parser, carry_out
from analysis.run.run import Run
from analysis.text import formats
from analysis.text.literature import fold_blocks, literature_blocks


def main(arguments: Sequence[str] | None = None, command: str = "literature.py") -> int:
    """Run the command line; return the exit status: 0, 2 for a usage error, 130 if interrupted."""
    return carry_out(command, lambda: _literature(arguments, command))


def _literature(arguments: Sequence[str] | None, command: str) -> int:
    parser = Parser(prog=command, description=__doc__)
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="the folder of a run of --space literature, and of others to find the best in",
    )
    parser.add_argument(
        "--only",
        metavar="ROW,...",
        help="only these rows of the literature, such as C1,C2, at what all of them reached",
    )
    parser.add_argument(
        "--folds", action="store_true", help="loss and SSIM on held-out folds by t, with mean and spread over the folds"
    )
    parser.add_argument("--format", choices=("table", "markdown", "latex"), default="table")
    given = parser.parse_args(arguments)
    only = given.only.split(",") if given.only else None
    runs = [Run.open(run) for run in given.runs]
    blocks = [b for run in runs for b in fold_blocks(run)] if given.folds else literature_blocks(runs, only)
    formats.write_blocks(blocks, given.format)
    return 0


if __name__ == "__main__":
    sys.exit(main())
