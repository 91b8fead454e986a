"""TensorBoard's event files of runs that nobody trained, and a TensorBoard server that reads event files."""

import json
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from analysis.run.events import End, Start
from analysis.run.run import Run
from search.progress.tensorboard import TensorBoardWriter
from trainables.report import Report

DEADLINE = 90  # seconds; a server answers within a few on an idle machine


def write_events(run: Run) -> None:
    """Write the event files that a search writes on its way, from the log of a run and of its confirmation."""
    writer = TensorBoardWriter(run)
    for event in run.events():
        if isinstance(event, Start):
            writer.start(event)
        elif isinstance(event, Report):
            writer.report(event)
        elif isinstance(event, End):
            writer.end(event.trial, event.state)
    if (nested := run.confirmed()) is not None:
        write_events(nested)


class Server:
    """A TensorBoard server of its own on this machine."""

    def __init__(self, folder: Path) -> None:
        from tensorboard import program

        server = program.TensorBoard()
        arguments = ["--logdir", str(folder), "--host", "127.0.0.1", "--port", "0", "--reload_interval", "1"]
        server.configure(argv=["tensorboard", *arguments])
        self.url = server.launch() + "data/"

    def get(self, path: str, **query: str) -> Any:
        with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(query)}", timeout=DEADLINE) as answer:
            data = answer.read()
        return json.loads(data) if answer.headers.get_content_type() == "application/json" else data

    def post(self, path: str, body: dict[str, Any]) -> Any:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
            return json.loads(answer.read())

    def groups(self) -> list[dict[str, Any]]:
        """The rows of HParams: each with its name, its sessions, its hparams and its metricValues."""
        statuses = [f"STATUS_{name}" for name in ("UNKNOWN", "SUCCESS", "FAILURE", "RUNNING")]
        body = {"startIndex": 0, "sliceSize": 10_000, "allowedStatuses": statuses, "colParams": []}
        found: list[dict[str, Any]] = self.post("plugin/hparams/session_groups", body).get("sessionGroups", [])
        return found
