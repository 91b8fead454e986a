"""`python search/replay.py RUN TRIAL`: train a trial again and compare its FMDs; see --help."""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    # Python put this folder first on the path, where its modules hide others of their name.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from search.command_line import Command
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


def _replay(given: ReplayOptions) -> int:
    os.environ |= ENVIRONMENT  # as that of a trial: the last bits of an FMD depend on the threads of numpy
    from search.winner.replaying import replay  # torch takes two seconds, which --help and usage errors do not need

    return replay(given)


main = Command("search/replay.py", ReplayOptions, REPLAY, EXAMPLES, _replay)

if __name__ == "__main__":
    sys.exit(main())
