"""The lock of a run: one process searches in it at a time; the system releases the lock when that process ends.

Where the file system has no such locks, a file takes its place; one that a killed process left is taken over on its
machine, and elsewhere named.
"""

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from analysis.run.run import Run, RunError
from analysis.run.storage import flock


@contextmanager
def run_lock(run: Run, say: Callable[[str], None] = lambda line: None) -> Iterator[None]:
    """Lock a run against other processes that would write to it; readers need no lock.

    Raises:
        RunError: another process holds the lock.
    """
    folder = os.open(run.path, os.O_RDONLY)
    try:
        if flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
            yield
            return
        say(f"this file system has no locks: {run.lock.name} in the run's folder keeps other searches out of it")
        _make(run.lock)
        try:
            yield
        finally:
            run.lock.unlink(missing_ok=True)
    except BlockingIOError:
        raise RunError(f"{run.uri} is being searched by another process: wait until that has ended") from None
    finally:
        os.close(folder)


def _make(path: Path) -> None:
    """Make the file that locks; raise RunError where the process that made it lives, or may live elsewhere."""
    here = socket.gethostname()
    if path.is_file():
        number, _, host = path.read_text().strip().partition(" on ")
        if host == here and number.isdecimal() and not _lives(int(number)):
            path.unlink(missing_ok=True)
    try:
        with path.open("x") as file:
            file.write(f"{os.getpid()} on {here}\n")
    except FileExistsError:
        owner = path.read_text().strip() or "?"
        ended = f"wait until it has ended, or remove {path} if it has"
        raise RunError(f"{path.parent} is being searched by the process {owner}: {ended}") from None


def _lives(process: int) -> bool:
    """Return whether a process of this machine lives, by its number."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it is another user's, and lives
        pass
    return True
