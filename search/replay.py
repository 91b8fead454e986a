"""`python search/replay.py RUN TRIAL`: train a trial again and compare its FMDs; see --help."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    # Python put this folder first on the path, where its modules hide others of their name.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from analysis.text.process import carry_out
from search.command_line import parsed
from search.execution.threads import ENVIRONMENT
from search.winner.options import ReplayOptions

REPLAY = """\
Train a trial of a run again, from its configuration and seed, and compare the
FMD at every number of images seen that it reported. On the machine of the run,
on a CPU, the numbers agree to the last bit. Elsewhere sums are formed in
another order, and the numbers agree within two standard errors of their
difference.
"""
EXAMPLES = """\
examples:
  python search/replay.py runs/mine 018-gaussian

exit status: 0 the numbers agree; 1 they do not; 2 a usage error;
130 interrupted
"""


def main(arguments: Sequence[str] | None = None, command: str = "search/replay.py") -> int:
    """Run the command line; return the exit status: 0 if the numbers agree, 1 if not, 2 for a usage error."""
    os.environ |= ENVIRONMENT  # as that of a trial: the last bits of an FMD depend on the threads of numpy
    return carry_out(command, lambda: _replay(parsed(ReplayOptions, command, REPLAY, EXAMPLES, arguments)))


def _replay(given: ReplayOptions) -> int:
    from search.winner.replaying import replay  # torch takes two seconds, which --help and usage errors do not need

    return replay(given)


if __name__ == "__main__":
    sys.exit(main())
