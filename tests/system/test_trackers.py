"""A search that is killed and resumed, at the trackers that it logs to: an MLflow server, wandb's files, nobody."""

import os
import re
import signal
from pathlib import Path

import pytest

from analysis.run.run import Run
from tests.helpers.mlflow_server import Server, require_whole
from tests.helpers.searches import BUDGET, SCRIPT, TRIALS, Searches, check_run, count_reports, wait_for

reason = "the trackers are extras: pip install '.[mlflow]' '.[wandb]' flask flask-cors"
pytest.importorskip("mlflow", reason=reason)
pytest.importorskip("wandb", reason=reason)
pytest.importorskip("flask_cors", reason=reason)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_a_search_that_is_killed_and_resumed_is_at_each_tracker_once(searches: Searches, tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    server = Server(tmp_path / "server")
    server.start()
    try:
        living, dead = [f"mlflow:{server.uri}", "wandb:digits"], "mlflow:http://127.0.0.1:1"
        to = [word for tracker in (*living, dead) for word in ("--log-to", tracker)]
        arguments = ["--space", "tiny.py", "--name", "a", *BUDGET, "--confirm", "2", "--seeds", "2"]
        process = searches.start(str(SCRIPT), *arguments, *to, WANDB_MODE="offline")
        folder = searches.folder / "runs" / "a"
        wait_for(process, folder, lambda events: count_reports(events) > 3)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        searches.kill()
        resumed = searches.run(str(SCRIPT), "--resume", "a", WANDB_MODE="offline")
        assert resumed.returncode == 0, resumed.stderr
        said = " ".join(resumed.stdout.split())
        print(resumed.stdout, resumed.stderr)
        # On a busy machine ten seconds at the end may be too few for one that lives; then a line says so.
        late = [tracker for tracker in living if f"{tracker} has not got everything" in said]
        assert said.count(f"{dead} fails and is tried again") == said.count(f"{dead} has not got everything") == 1
        assert said.count("has not got everything") == len(late) + 1
        for tracker in late:
            sent = searches.run(str(SCRIPT.with_name("send.py")), "runs/a", tracker, WANDB_MODE="offline")
            assert sent.returncode == 0, sent.stdout + sent.stderr
        run = Run.open(folder)
        check_run(run, TRIALS)
        require_whole(server, run)
    finally:
        server.stop()
    nested = run.confirmed()
    assert nested is not None
    ids = [re.sub(r"(-\d)?$", "", path.name)[-16:] for path in run.wandb.glob("offline-run-*")]
    assert len(ids) == len(set(ids)) == len(run.starts()) + len(nested.starts())
    assert not searches.processes()
