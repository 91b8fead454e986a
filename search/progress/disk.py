"""Errors of a disk that is full or read-only, as one line; what was written before stays."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from analysis.run.run import Run, RunError
from search.progress.failures import does_not_see_the_run

TAKES_NOTHING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


@contextmanager
def in_one_line(run: Run) -> Iterator[None]:
    """Turn an error of the disk, which Ray Tune may have wrapped in errors of its own, into a RunError."""
    try:
        yield
    except Exception as error:
        for cause in reversed(list(_causes(error))):
            if isinstance(cause, RunError):
                raise cause from None
            if isinstance(cause, OSError) and cause.errno in TAKES_NOTHING:
                raise _error(str(cause.filename or run.path), cause.errno) from None
        raise


def require_room(run: Run, trial: str, error: str) -> None:
    """Raise RunError if a trial failed, by its traceback `error`, because of the disk: the other trials would, too."""
    lines = error.strip().splitlines() or [""]
    if does_not_see_the_run(error):
        raise RunError(f"{lines[-1].partition(': ')[2]}, then --resume the run")
    found = re.search(r"\[Errno (\d+)\]", lines[-1])
    if found and int(found[1]) in TAKES_NOTHING:
        raise _error(f"{run.path} what {trial} has done", int(found[1]))


def _error(what: str, number: int) -> RunError:
    return RunError(f"cannot write to {what}, {os.strerror(number)}: see to it, then --resume the run")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
