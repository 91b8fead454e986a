"""The reason of a trial's failure in one line, and the kinds of failure that are treated apart."""

from analysis.run.storage import NotShared
from trainables.trial import Preempted

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


def does_not_see_the_run(error: str) -> bool:
    """Return whether a trial failed, by its `error`, on a machine that does not see the run's folder."""
    return _raised(error, NotShared)


def reason(error: str) -> str:
    """Return in a line what the `error` of a trial, a traceback or what Ray says in its place, tells a person."""
    gone = next((meaning for words, meaning in _GONE.items() if words in error), None)
    return gone or (error.strip().splitlines() or ["no reason is known"])[-1]


def _raised(error: str, kind: type[Exception]) -> bool:
    last = (error.strip().splitlines() or [""])[-1]
    return last.startswith(f"{kind.__module__}.{kind.__qualname__}:")
