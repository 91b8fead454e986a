"""`python search/send.py RUN TRACKER ...`: send a run to experiment trackers after the fact; see --help."""

import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    # Python put this folder first on the path, where its modules hide others of their name.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from analysis.text.process import carry_out
from search.command_line import parsed
from search.options import SendOptions

SEND = """\
Send every trial of a run, and every training of its confirmation, to MLflow or
Weights & Biases, as a search with --log-to does. What a tracker has of the run
is not sent again, so the command also completes what a search could not send.
"""
EXAMPLES = """\
examples:
  python search/send.py runs/mine mlflow:http://127.0.0.1:5000
  python search/send.py runs/mine wandb:digits

exit status: 0 all was sent; 1 a tracker failed; 2 a usage error;
130 interrupted
"""


def main(arguments: Sequence[str] | None = None, command: str = "search/send.py") -> int:
    """Run the command line; return the exit status: 0, 1 if a tracker failed, 2 for a usage error."""
    return carry_out(command, lambda: _send(parsed(SendOptions, command, SEND, EXAMPLES, arguments)))


def _send(given: SendOptions) -> int:
    from search.trackers.known import send  # pyarrow takes a third of a second, which --help does not need

    return send(given.run, given.trackers)


if __name__ == "__main__":
    sys.exit(main())
