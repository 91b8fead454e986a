"""The reason of a failure in one line, and the kinds of failure that are treated apart.

A disk that is full or read-only ends a session with one line; what was written before stays.
"""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from analysis.run.run import Run, RunError
from analysis.run.storage import NotShared
from trainables.trial import Preempted

TAKES_NOTHING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
# What Ray says, in a paragraph, of a process that is gone, and what that means; the first that is found counts.
_GONE = {
    "running low on memory": "its process was ended because the machine ran out of memory",
    "node has died": "its machine was lost",
    "killed by `ray.kill`": "its process showed no sign of life, and was ended",
    "worker process has died": "its process died, for want of memory or ended from outside",
}


def left_its_machine(error: str) -> bool:
    """Return whether a trial ended, by its `error`, because its machine said that it is about to be taken back."""
    return _raised(error, Preempted)


def reason(error: str, code: Path | None = None) -> str:
    """Return in a line what the `error` of a trial, a traceback or what Ray says in its place, tells a person.

    `code` is the folder of a user's own code: the line ends with the innermost place in it, if there is one.
    """
    gone = next((meaning for words, meaning in _GONE.items() if words in error), None)
    if gone or not (last := _last_line(error)):
        return gone or "no reason is known"
    places = [] if code is None else re.findall(rf'File "{re.escape(str(code))}/(.+)", line (\d+)', error)
    return f"{last} ({places[-1][0]}, line {places[-1][1]})" if places else last


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
    last = _last_line(error)
    if _raised(error, NotShared):
        raise RunError(f"{last.partition(': ')[2]}, then --resume the run")
    found = re.search(r"\[Errno (\d+)\]", last)
    if found and int(found[1]) in TAKES_NOTHING:
        raise _error(f"{run.path} what {trial} has done", int(found[1]))


def _last_line(error: str) -> str:
    return (error.strip().splitlines() or [""])[-1]


def _raised(error: str, kind: type[Exception]) -> bool:
    """Return whether the exception of a traceback is of a kind."""
    return _last_line(error).startswith(f"{kind.__module__}.{kind.__qualname__}:")


def _error(what: str, number: int) -> RunError:
    return RunError(f"cannot write to {what}, {os.strerror(number)}: see to it, then --resume the run")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
