"""A real MLflow server, and the laws of what a search leaves there, read back by MLflow's own client."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from analysis.run.run import Run
from search.trackers.record import NUMBERS

STATUS = {"RUNNING": "RUNNING", "COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAILED": "FAILED"}
DEADLINE = 180  # seconds; a server starts within half a minute on a busy machine


class Server:
    """A tracking server with a store in a folder; it can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.uri, self.folder = f"http://127.0.0.1:{self.port}", folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        store = ["--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db"]
        store += ["--artifacts-destination", str(self.folder / "artifacts")]
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        self._process = subprocess.Popen(
            [*command, "--workers", "1", *store],
            cwd=self.folder,
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=(self.folder / "server.log").open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        deadline = time.monotonic() + DEADLINE
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "server.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def stop(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, 9)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def client(server: Server) -> Any:
    """A client of the server; MLflow is an extra, and takes seconds to import."""
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=server.uri)


def runs_at(server: Server, run: Run) -> dict[str, Any]:
    """The runs of a search at the server by name; no name is there twice."""
    at = client(server)
    found = at.search_runs([at.get_experiment_by_name(run.name).experiment_id])
    named = {one.info.run_name: one for one in found}
    assert len(named) == len(found)
    return named


def require_whole(server: Server, run: Run) -> None:
    """The server has what the logs of a run have, and nothing twice."""
    at, there = client(server), runs_at(server, run)
    nested = run.confirmed()
    assert there.keys() == run.starts().keys() | nested.starts().keys()
    for part in (run, nested):
        states = {row["trial"]: row["state"] for row in part.trials().to_pylist()}
        for name, start in part.starts().items():
            one = there[name]
            parameters = {"baseline": start.baseline or "none", "seed": start.seed, **start.variant}
            assert one.data.params == {key: str(value) for key, value in parameters.items()}
            assert (one.data.tags["state"], one.info.status) == (states[name], STATUS[states[name]])
            assert one.data.tags["part"] == ("confirmation" if part is nested else "search")
            reports = part.reports().get(name, [])
            for number in NUMBERS if reports else []:
                history = at.get_metric_history(one.info.run_id, number)
                measured = [(report.images_seen, getattr(report, number)) for report in reports]
                expected = [(at, float(value)) for at, value in measured if value is not None]
                assert sorted((point.step, point.value) for point in history) == expected
    for name, start in nested.starts().items():
        assert there[name].data.tags["mlflow.parentRunId"] == there[str(start.repeats)].info.run_id
