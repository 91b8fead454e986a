"""Runs at a real MLflow server, read back by MLflow's own client."""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from analysis.run.log import Log
from analysis.run.run import Run
from search import send
from search.trackers import sending as sending_module
from search.trackers.known import trackers_of
from tests.helpers import fake_runs
from tests.helpers.mlflow_server import DEADLINE, Server, client, require_whole, runs_at

reason = "MLflow's client and server are an extra: pip install '.[mlflow]' flask flask-cors"
pytest.importorskip("mlflow", reason=reason)
pytest.importorskip("flask_cors", reason=reason)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NUMBERED = itertools.count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run with trials in every state and a confirmation, of a name of its own at the server."""
    run = fake_runs.search(tmp_path, trials=9, name=f"search-{next(NUMBERED)}")
    fake_runs.start(run, "009-late", {"training/lr": 0.5})
    best = [row["trial"] for row in run.trials().to_pylist() if row["state"] == "COMPLETE"][:2]
    fake_runs.confirm(run, best, seeds=2)
    return run


def sent(server: Server, run: Run, parts: list[Run] | None = None) -> list[str]:
    """Send parts of a run in a session of its own; return what was said."""
    said: list[str] = []
    trackers = trackers_of([f"mlflow:{server.uri}"], run, said.append)
    for part in parts or [run, run.confirmed()]:
        trackers.follow(part)
    trackers.close(DEADLINE)
    return said


def test_a_server_has_the_trials_and_the_confirmation_and_gets_nothing_twice(
    server: Server, run: Run, tmp_path: Path
) -> None:
    assert sent(server, run) == []
    require_whole(server, run)
    before = {name: one.info.run_id for name, one in runs_at(server, run).items()}
    assert sent(server, Run.open(run.path)) == []
    require_whole(server, run)
    assert {name: one.info.run_id for name, one in runs_at(server, run).items()} == before
    at = client(server)
    for name, reports in run.reports().items():
        paths = [entry.path for entry in at.list_artifacts(before[name], "samples")]
        expected = [] if reports[-1].diverged else [f"samples/{reports[-1].images_seen:012d}.png"]
        assert paths == expected
        for path in paths:
            got = at.download_artifacts(before[name], path, str(tmp_path))
            with Image.open(got) as picture, Image.open(run.picture(name, "samples")) as drawn:
                assert picture.convert("L").tobytes() == drawn.convert("L").tobytes()
    assert any(one.data.tags.get("error", "").startswith("Traceback") for one in runs_at(server, run).values())


@pytest.mark.parametrize("cut", [1, 7, 20])
def test_sessions_that_were_cut_off_anywhere_come_to_the_same(
    server: Server, run: Run, tmp_path: Path, cut: int
) -> None:
    lines = (run.path / "log.jsonl").read_bytes().splitlines(keepends=True)
    early = Run.create(tmp_path / "early", run.name)
    for count in (cut, cut + 3):
        Log(early.path / "log.jsonl").close()
        (early.path / "log.jsonl").write_bytes(b"".join(lines[:count]))
        assert sent(server, early, [Run.open(early.path)]) == []
    assert sent(server, run) == []
    require_whole(server, run)


def test_a_server_that_dies_in_between_has_everything_once_it_is_back(
    server: Server, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending_module, "RETRY_SECONDS", 0.5)
    said: list[str] = []
    trackers = trackers_of([f"mlflow:{server.uri}"], run, said.append)
    trackers.follow(run)
    deadline = time.monotonic() + DEADLINE
    at = client(server)
    while not (at.get_experiment_by_name(run.name) and len(runs_at(server, run)) > 2):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    server.stop()
    trackers.follow(run.confirmed())
    while not said:
        assert time.monotonic() < deadline
        trackers.look()
        time.sleep(0.05)
    server.start()
    assert trackers.close(DEADLINE) or sent(server, run) == []
    assert len(said) in (1, 2)
    require_whole(server, run)


def test_a_finished_run_is_sent_after_the_fact(server: Server, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert send.main([str(run.path), f"mlflow:{server.uri}"]) == 0
    require_whole(server, run)
    assert send.main([str(run.path), "mlflow:http://127.0.0.1:1"]) == 1
    assert capsys.readouterr().out.count("mlflow:http://127.0.0.1:1 ") == 1
