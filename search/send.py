"""`python search/send.py RUN TRACKER ...`: send a run to experiment trackers after the fact; see --help."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # Python put this folder first on the path, where its modules hide others of their name.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from search.command_line import Command
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


def _send(given: SendOptions) -> int:
    from search.trackers.known import send  # pyarrow takes a third of a second, which --help does not need

    return send(given.run, given.trackers)


main = Command("search/send.py", SendOptions, SEND, EXAMPLES, _send)

if __name__ == "__main__":
    sys.exit(main())
