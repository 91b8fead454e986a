"""What optuna-dashboard serves of a real search, while it goes on and afterwards: states, values, numbers, pictures."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.support.wait import WebDriverWait

from analysis.run.run import Run
from search import run as command

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SECONDS = 60  # an answer is there within one on an idle machine
SPACE = '''
"""Very small networks, to see a search run and not to find anything."""

STARTS = ({"training/lr": 2e-3}, {"training/lr": 0.09})


def space(trial):
    trial.suggest_float("training/lr", 5e-4, 0.09, log=True)
    return {"network/kind": "cnn", "network/cnn/widths": "8-8", "network/cnn/patch": 2, "sampler/steps": 4}
'''
# A search as any other, but that one learning rate raises, and one waits for the dashboard's answers.
TROUBLED = """
import sys, time
from pathlib import Path
from search import run
from search.execution import worker

HERE, train = Path.cwd(), worker.run_trial


def troubled(config, work, data):
    if config["variant"]["training/lr"] == 0.09:
        raise RuntimeError("out of luck")
    while config["variant"]["training/lr"] == 2e-3 and not (HERE / "answered").exists():
        time.sleep(0.05)
    train(config, work, data)


worker.run_trial = troubled
sys.exit(run.main())
"""
BUDGET = ["--trials", "6", "--max-images", "2304", "--grace-images", "256", "--confirm", "0"]
ARGUMENTS = ["--space", "tiny.py", "--name", "tiny", *BUDGET]
TABLED = ("images_seen", "fmd_normalised", "fmd_se", "ssim", "parameters", "nfe")


@dataclass
class Dashboard:
    """An optuna-dashboard as a user starts it."""

    run: Run
    url: str

    def read(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=SECONDS) as answer:
            data: bytes = answer.read()
        return data

    def study(self) -> dict[str, Any]:
        (summary,) = json.loads(self.read("api/studies"))["study_summaries"]
        assert summary["study_name"] == self.run.name
        detail: dict[str, Any] = json.loads(self.read(f"api/studies/{summary['study_id']}"))
        return detail | {"study_id": summary["study_id"]}

    def artifact(self, study: dict[str, Any], trial: dict[str, Any], name: str) -> bytes:
        (found,) = (one for one in trial["artifacts"] if one["filename"] == name)
        return self.read(f"artifacts/{study['study_id']}/{trial['trial_id']}/{found['artifact_id']}")


def attributes(trial: dict[str, Any]) -> dict[str, str]:
    return {entry["key"]: entry["value"] for entry in trial["user_attrs"]}


def listens(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=SECONDS).close()
    except urllib.error.URLError:
        return False
    return True


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard on the run of a search that ended since; it was asked again and again while that ran."""
    pytest.importorskip("optuna_dashboard")
    folder = tmp_path_factory.mktemp("search")
    (folder / "tiny.py").write_text(SPACE)
    (folder / "troubled.py").write_text(TROUBLED)
    with (folder / "output").open("w") as output:
        search = subprocess.Popen(
            [sys.executable, "troubled.py", *ARGUMENTS],
            cwd=folder,
            stdout=output,
            stderr=output,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(command.__file__).parents[1])},
        )
    path = folder / "runs" / "tiny"
    while not (path / "log.jsonl").is_file() or '"event":"start"' not in (path / "log.jsonl").read_text():
        assert search.poll() is None, (folder / "output").read_text()
        time.sleep(0.1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    run = Run.open(path)
    files = [str(run.study_file), "--artifact-dir", str(run.artifacts)]
    serve = [sys.executable, "-c", "from optuna_dashboard._cli import main; main()", *files, "--port", str(port)]
    server = subprocess.Popen([*serve, "--host", "127.0.0.1", "--quiet"], stderr=subprocess.DEVNULL)
    try:
        dashboard = Dashboard(run, f"http://127.0.0.1:{port}/")
        WebDriverWait(dashboard.url, SECONDS, poll_frequency=0.2).until(listens)
        answers = 0
        while search.poll() is None:
            dashboard.study()
            answers += 1
            if answers == 2:
                (folder / "answered").touch()
            time.sleep(0.5)
        assert search.returncode == 0, (folder / "output").read_text()
        assert answers > 1
        yield dashboard
    finally:
        search.terminate()
        search.wait()
        server.terminate()
        server.wait()


def test_states_and_values_are_those_of_the_tables(dashboard: Dashboard) -> None:
    trials = dashboard.study()["trials"]
    table = {row["number"]: row for row in dashboard.run.trials().to_pylist()}
    failed = {"FAIL": "FAILED"}  # Optuna's name and ours
    states = {trial["number"]: failed.get(trial["state"].upper(), trial["state"].upper()) for trial in trials}
    assert states == {number: row["state"] for number, row in table.items()}
    assert set(Counter(states.values())) == {"COMPLETE", "PRUNED", "FAILED"}
    curves: dict[int, dict[int, float]] = {number: {} for number in table}
    for row in dashboard.run.curves().to_pylist():
        curves[row["number"]][row["images_seen"]] = row["fmd"]
    for trial in trials:
        assert {point["step"]: point["value"] for point in trial["intermediate_values"]} == curves[trial["number"]]
        assert float(trial["params"][0]["param_internal_value"]) == table[trial["number"]]["training/lr"]


def test_a_trial_has_its_name_and_the_numbers_of_its_last_report(dashboard: Dashboard) -> None:
    for trial in dashboard.study()["trials"]:
        (row,) = (row for row in dashboard.run.trials().to_pylist() if row["number"] == trial["number"])
        told = attributes(trial)
        assert told["trial"] == row["trial"]
        if row["state"] == "FAILED":
            assert told.keys().isdisjoint(TABLED)
        else:
            assert {name: json.loads(told[name]) for name in TABLED} == {name: row[name] for name in TABLED}


def test_a_trials_artifacts_are_its_pictures_and_take_no_room_of_their_own(dashboard: Dashboard) -> None:
    study, run = dashboard.study(), dashboard.run
    shown = 0
    for trial in study["trials"]:
        name = attributes(trial)["trial"]
        pictures = run.pictures(name).values()
        assert len(trial["artifacts"]) == len(pictures)
        for path in pictures:
            assert dashboard.artifact(study, trial, path.name) == path.read_bytes()
            assert path.stat().st_nlink == 2
            shown += 1
    sound = sum(trial["state"] != "Fail" for trial in study["trials"])
    assert shown == len(list(run.artifacts.iterdir())) >= 3 * sound  # and restorations of those at the full budget


def test_looking_at_a_study_writes_nothing(dashboard: Dashboard) -> None:
    before = dashboard.run.study_file.read_bytes()
    dashboard.study()
    assert dashboard.run.study_file.read_bytes() == before
    assert not list(dashboard.run.path.glob("study.journal.*"))


def test_the_page_of_a_trial_shows_its_pictures(dashboard: Dashboard, browser: Chrome) -> None:
    study = dashboard.study()
    number = next(trial["number"] for trial in study["trials"] if trial["state"] == "Complete")
    browser.get_log("browser")
    browser.get(f"{dashboard.url}dashboard/studies/{study['study_id']}/trials?numbers={number}")
    sizes = "return [...document.querySelectorAll('img')].map(image => image.naturalWidth).filter(width => width)"
    WebDriverWait(browser, SECONDS, poll_frequency=0.2).until(lambda b: len(b.execute_script(sizes)) >= 2)
    text = browser.execute_script("return document.body.innerText")
    assert f"Trial {number}" in text
    assert "fmd_normalised" in text
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
