"""The lock of a run: one process searches in it at a time; the system releases the lock when that process ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from analysis.run.run import Run, RunError


@contextmanager
def run_lock(run: Run) -> Iterator[None]:
    """Lock a run against other processes that would write to it; readers need no lock.

    Raises:
        RunError: another process holds the lock.
    """
    folder = os.open(run.path, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise RunError(f"{run.uri} is being searched by another process: wait until that has ended") from None
    finally:
        os.close(folder)
