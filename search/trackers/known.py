"""The trackers that --log-to knows, for a session, and for a run that is sent after the fact."""

from collections.abc import Callable, Iterable
from functools import partial

from analysis.run.lock import run_lock
from analysis.run.run import Run
from search.settings import require_packages
from search.trackers.sending import Sending, Tracker, Trackers


def trackers_of(log_to: Iterable[str], run: Run, say: Callable[[str], None]) -> Trackers:
    """Return the trackers of a run, to which threads of their own connect.

    `log_to` has the values of --log-to, and `say` is called with the lines that are for a person. At a tracker, the
    trials are grouped under the name of the run.
    """
    return Trackers([Sending(given, partial(_connect, given, run)) for given in log_to], say)


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


def _connect(given: str, run: Run) -> Tracker:
    # Imports inside: each takes seconds, and the packages are extras.
    name, _, place = given.partition(":")
    if name == "mlflow":
        from search.trackers.mlflow_runs import MlflowRuns

        return MlflowRuns(run.name, place)
    from search.trackers.wandb_runs import WandbRuns

    return WandbRuns(run.name, place, run.wandb)
