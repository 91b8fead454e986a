"""One process drives a run at a time: a lock that the system releases when the process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from analysis.run.run import Run, RunError


@contextmanager
def held(run: Run) -> Iterator[None]:
    """Hold a run against other processes that would write to it; reading one needs no lock.

    Raises:
        RunError: another process holds it.
    """
    folder = os.open(run.path, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise RunError(f"{run.uri} is being searched by another process: wait until that has ended") from None
    finally:
        os.close(folder)
