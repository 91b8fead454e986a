"""Show what a run tells besides its ranking: `python analysis/insight.py RUN [--format table|markdown|latex|json]`.

Which fields mattered, the effect of each choice, how well the order at each rung predicts the order at the end, and
what a lower FMD costs.
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
from analysis.text.insight import insight_blocks, insight_content


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0, or 2 for a usage error."""
    parser = Parser(prog="insight.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="the folder of a run, such as runs/degradations; it may still be going on")
    parser.add_argument("--format", choices=("table", "markdown", "latex", "json"), default="table")
    given = parser.parse_args(arguments)
    return parser.carry_out(lambda: _write(Run.open(given.run), given.format))


def _write(run: Run, form: str) -> None:
    if form == "json":
        formats.write_json(insight_content(run))
    else:
        formats.write_blocks(insight_blocks(run), form)


if __name__ == "__main__":
    sys.exit(main())
