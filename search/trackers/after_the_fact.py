"""A run that is sent to trackers after the fact, or again where something is missing."""

from collections.abc import Iterable

from analysis.run.lock import run_lock
from analysis.run.run import Run
from search.trackers.known import trackers_of
from search.trackers.packages import require_packages


def send(path: str, log_to: Iterable[str]) -> int:
    """Send a run and its confirmation to trackers, as --log-to has them; return the exit status, 1 if one failed.

    Raises:
        UsageError: there is no such run, a search goes on in it, or a package is missing.
    """
    require_packages(log_to)
    run = Run.open(path)
    with run_lock(run):  # a search that goes on sends by itself
        trackers = trackers_of(log_to, run, print)
        for part in filter(None, (run, run.confirmed())):
            for trial in part.starts():
                part.bring(trial)
            trackers.follow(part)
        return 0 if trackers.close(seconds=None) else 1
