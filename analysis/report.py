"""Write a run's report page: `python analysis/report.py RUN`.

`report.html` in the run's folder is one file that needs no network: the answer, the rankings, samples, plots, what was
pruned, and how to do it again.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    # Python put this folder first on the path, where `statistics` hides the standard library's.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from analysis.page.report import write_report
from analysis.process import Parser, carry_out
from analysis.run.run import Run


def main(arguments: Sequence[str] | None = None, command: str = "report.py") -> int:
    """Run the command line; return the exit status: 0, 2 for a usage error, 130 if interrupted."""
    return carry_out(command, lambda: _report(arguments, command))


def _report(arguments: Sequence[str] | None, command: str) -> int:
    parser = Parser(prog=command, description=__doc__)
    parser.add_argument(
        "run", metavar="RUN", help="the run's folder, such as runs/degradations; it may still be going on"
    )
    given = parser.parse_args(arguments)
    print(write_report(Run.open(given.run)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
