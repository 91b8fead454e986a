"""`python search/run.py --space NAME`: the command line of a search; see --help."""

import atexit
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    # Python put this folder first on the path, where its modules hide others of their name; Ray's workers follow.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from analysis.process import INTERRUPTED, carry_out, leave
from search.command_line import parse
from search.execution.threads import ENVIRONMENT
from search.progress.budget import say_at

LOST = 1  # exit status where Ray was lost


def main(arguments: Sequence[str] | None = None, command: str = "search/run.py") -> int:
    """Run the command line; return the exit status: 0, 2 for a usage error, 3 without a result, 130 if interrupted."""
    began = time.monotonic()
    status = carry_out(command, lambda: search(parse(arguments, command), began))
    if status in (LOST, INTERRUPTED):
        # What is left of a Ray that was lost would wait for a minute when Python ends, then end it by itself.
        atexit.register(leave, status)
    return status


def search(given: dict[str, Any], began: float) -> int:
    """Search with options by name, as `search.command_line.parse` returns them; return the exit status.

    `began` is when the command began, by the monotonic clock.

    Raises:
        UsageError: one line, before the search begins.
    """
    os.environ |= ENVIRONMENT  # before torch binds this process to a core, and with it all that it starts
    if not (given.get("quiet") or given.get("dry_run")):
        say_at(began, "starts: loads PyTorch and the data")
    is_path = "/" in given.get("resume", "")
    if "storage_path" not in given and not is_path and (storage := os.environ.get("SEARCH_STORAGE")):
        given["storage_path"] = storage
        if not given.get("quiet"):
            say_at(began, f"SEARCH_STORAGE {storage}: the runs are there; --storage-path says otherwise")
    from search.beginning import begin, resume  # torch takes two seconds, which --help and usage errors do not need

    return resume(given, began) if "resume" in given else begin(given, began)


if __name__ == "__main__":
    sys.exit(main())
