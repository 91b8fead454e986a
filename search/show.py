"""`python search/show.py RUN ...`: show runs in TensorBoard, trial by trial; see --help."""

import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    # Python put this folder first on the path, where its modules hide others of their name.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from analysis.process import Parser, carry_out

TICKED = 40  # TensorBoard's tabs Scalars, Images and Text tick no folder where there are more
MOST = TICKED - 1  # trials; one folder has the columns
SHOW = f"""\
Show runs in TensorBoard: a search's trials under RUN/search, those that its
confirmation trained again under RUN/confirmation. The name of a run that is shown
alone is left out.

The table of the tab HParams has a row for each trial of each run, and a column
of FMD for each rung. Of more than {MOST} trials the best of each run are shown,
because TensorBoard opens with nothing ticked where there are more. A search that
goes on may get new trials and columns: show it again.

Options that are not listed go to TensorBoard, such as --port 6007 or --bind_all.
"""


def main(arguments: Sequence[str] | None = None, command: str = "search/show.py") -> int:
    """Run the command line; return the exit status: 0, 2 for a usage error, 130 if interrupted."""
    return carry_out(command, lambda: _show(arguments, command))


def _show(arguments: Sequence[str] | None, command: str) -> int:
    parser = Parser(prog=command, description=SHOW, allow_abbrev=False)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a run, such as runs/mine, or a folder of runs")
    parser.add_argument("--most", type=int, default=MOST, metavar="N", help="trials at the most (%(default)s)")
    given, others = parser.parse_known_args(arguments)
    if given.most < 1:
        parser.error("--most: give a number from 1")
    from search.progress.showing import show  # reads runs, which --help and usage errors do not need

    return show(given.runs, given.most, others)


if __name__ == "__main__":
    sys.exit(main())
