"""Trials as runs of MLflow: an experiment has the name of the search, and a run the name of its trial."""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from PIL import Image

from search.trackers.record import ENDED, Record

# Of MLflow's tracking server, for one request.
MOST_METRICS, MOST_PARAMETERS, MOST_RUNS = 1_000, 100, 1_000
STATUS = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAILED": "FAILED"}
PICTURES = "samples"  # the folder of a run's artifacts for the pictures of its samples
# The identity of a trial, by which a later session finds its run.
IDENTITY = "diffusion_search.trial"
# By itself the client tries for minutes before it says that a server is away, and prints an address for each run.
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}

T = TypeVar("T")


@dataclass
class _Sent:
    """What a run of MLflow has."""

    run_id: str
    images_seen: float = -1
    state: str = ""


class MlflowRuns:
    """The runs of a search at an MLflow server, or in a store of MLflow's on disk."""

    def __init__(self, search: str, uri: str) -> None:
        """Find what is there of a search; raises MlflowException where the server does not answer.

        The search gives the experiment its name. An empty `uri` stands for MLflow's own default, which
        MLFLOW_TRACKING_URI sets.
        """
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        for name in ("mlflow", "alembic"):  # they tell of every store that they set up
            logging.getLogger(name).setLevel(logging.WARNING)
        logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # it tells of every attempt
        self._client = MlflowClient(tracking_uri=uri or None)
        experiment = self._client.get_experiment_by_name(search)
        self._experiment = experiment.experiment_id if experiment else self._client.create_experiment(search)
        self._sent: dict[str, _Sent] = {}
        self._trials: dict[str, str] = {}
        """The run of each trial of the search, by the trial's name"""
        self._orphans: dict[str, list[str]] = {}
        """Runs of the confirmation's trainings whose trial has no run yet, by the trial's name"""
        self._find()

    def send(self, record: Record) -> None:
        """Make the run of a trial hold what the record holds; what is there already is not sent again."""
        sent = self._sent.get(record.identity) or self._begin(record)
        if record.part == "search":
            self._trials[record.start.trial] = sent.run_id
            self._adopt(record.start.trial)
        if record.has_parameters and (not sent.state or record.start.chooses):
            parameters = [Param(name, str(value)) for name, value in record.parameters.items()]
            for some in _chunks(parameters, MOST_PARAMETERS):
                self._client.log_batch(sent.run_id, params=some)
        points = record.points(above=int(sent.images_seen))
        # The time is that of the log: MLflow then takes a number that is sent twice for one. `images_seen` of a report
        # is among its last numbers, so that what was cut off is sent again.
        metrics = [
            Metric(name, value, round(report.time * 1000), at)
            for report, at, numbers in points
            for name, value in sorted(numbers.items(), key=lambda entry: entry[0] == "images_seen")
        ]
        if points and record.pictured:
            with Image.open(record.samples) as picture:
                name = f"{PICTURES}/{record.images_seen:012d}.png"
                self._client.log_image(sent.run_id, picture, artifact_file=name)
        for some in _chunks(metrics, MOST_METRICS):
            self._client.log_batch(sent.run_id, metrics=some)
        sent.images_seen = record.images_seen
        if record.state != sent.state:
            self._change(sent, record)

    def close(self) -> None:
        """Do nothing: nothing is open."""

    def _find(self) -> None:
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment], max_results=MOST_RUNS, order_by=["attributes.start_time DESC"], page_token=token
            )
            for run in page:
                if identity := run.data.tags.get(IDENTITY):
                    images = run.data.metrics.get("images_seen", -1)
                    self._sent[identity] = _Sent(run.info.run_id, images, run.data.tags.get("state", ""))
                    self._place(run)
            token = page.token
            if not token:
                break
        for trial in self._orphans.keys() & self._trials.keys():
            self._adopt(trial)

    def _place(self, run: Run) -> None:
        """Record a run that is there; of two searches with trials of one name, the newest comes first."""
        tags = run.data.tags
        if "repeats" not in tags:
            self._trials.setdefault(run.info.run_name, run.info.run_id)
        elif MLFLOW_PARENT_RUN_ID not in tags:
            self._orphans.setdefault(tags["repeats"], []).append(run.info.run_id)

    def _adopt(self, trial: str) -> None:
        """Put the trainings that repeat a trial below its run."""
        for below in self._orphans.pop(trial, ()):
            self._client.set_tag(below, MLFLOW_PARENT_RUN_ID, self._trials[trial])

    def _begin(self, record: Record) -> _Sent:
        """Create the run of a trial; a training of the confirmation lies below the trial that it repeats."""
        tags, repeats = {IDENTITY: record.identity, "part": record.part}, record.start.repeats
        if repeats:
            tags["repeats"] = repeats
            if repeats in self._trials:
                tags[MLFLOW_PARENT_RUN_ID] = self._trials[repeats]
        began = round(record.start.time * 1000)
        run = self._client.create_run(self._experiment, began, tags, run_name=record.start.trial)
        if repeats and repeats not in self._trials:
            self._orphans.setdefault(repeats, []).append(run.info.run_id)
        self._sent[record.identity] = _Sent(run.info.run_id)
        return self._sent[record.identity]

    def _change(self, sent: _Sent, record: Record) -> None:
        """Write the state of a trial, last of all: a run that has it is complete."""
        if record.end is not None and record.state in ENDED:
            self._client.set_terminated(sent.run_id, STATUS[record.state], round(record.end.time * 1000))
            if record.end.error:
                self._client.set_tag(sent.run_id, "error", record.end.error[-5_000:])
        elif sent.state in ENDED:
            self._client.update_run(sent.run_id, status="RUNNING")
        self._client.set_tag(sent.run_id, "state", record.state)
        sent.state = record.state


def _chunks(entries: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for first in range(0, len(entries), size):
        yield entries[first : first + size]
