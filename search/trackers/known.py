"""The trackers that --log-to knows, and how a session comes to them."""

from collections.abc import Callable, Iterable
from functools import partial

from analysis.run.run import Run
from search.trackers.sending import Sending, Tracker, Trackers


def trackers_of(log_to: Iterable[str], run: Run, say: Callable[[str], None]) -> Trackers:
    """Return the trackers of a run, to which threads of their own connect.

    `log_to` has the values of --log-to, and `say` is called with the lines that are for a person. At a tracker, the
    trials are grouped under the name of the run.
    """
    return Trackers([Sending(given, partial(_connect, given, run)) for given in log_to], say)


def _connect(given: str, run: Run) -> Tracker:
    # Imports inside: each takes seconds, and the packages are extras.
    name, _, place = given.partition(":")
    if name == "mlflow":
        from search.trackers.mlflow_runs import MlflowRuns

        return MlflowRuns(run.name, place)
    from search.trackers.wandb_runs import WandbRuns

    return WandbRuns(run.name, place, run.wandb)
