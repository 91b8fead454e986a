"""Show what a run tells besides its ranking: `python analysis/insight.py RUN [--format table|markdown|latex|json]`.

Which fields mattered, the effect of each choice, how well the order at each rung predicts the order at the end, and
what a lower FMD costs.
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
from analysis.text.insight import insight_blocks, insight_content, schedule_blocks, schedule_content


def main(arguments: Sequence[str] | None = None, command: str = "insight.py") -> int:
    """Run the command line; return the exit status: 0, 2 for a usage error, 130 if interrupted."""
    return carry_out(command, lambda: _insight(arguments, command))


def _insight(arguments: Sequence[str] | None, command: str) -> int:
    parser = Parser(prog=command, description=__doc__)
    parser.add_argument("run", help="the folder of a run, such as runs/degradations; it may still be going on")
    parser.add_argument(
        "--schedules",
        action="store_true",
        help="show the schedules of the best trials instead: alpha_bar, beta and log-SNR at ten t, as JSON at all",
    )
    parser.add_argument("--format", choices=("table", "markdown", "latex", "json"), default="table")
    given = parser.parse_args(arguments)
    blocks, content = (schedule_blocks, schedule_content) if given.schedules else (insight_blocks, insight_content)
    run = Run.open(given.run)
    if given.format == "json":
        formats.write_json(content(run))
    else:
        formats.write_blocks(blocks(run), given.format)
    return 0


if __name__ == "__main__":
    sys.exit(main())
