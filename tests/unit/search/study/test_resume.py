"""Laws of going on: a search killed at any moment loses nothing, does nothing twice, and leaves nothing open."""

import json
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from analysis.run.run import Run
from search.execution.stopping import Stopping
from search.machine import Machine
from search.schedulers import SCHEDULERS
from search.settings import Settings
from search.space.load import load
from search.space.space import Space
from search.study.journal import state_at
from search.study.queue import StudySearch
from search.study.resume import History, reconcile

RUNGS = (100, 300, 900)
TRIALS = 8
# Crashes are tried at every so many-th moment of some 150.
STRIDE = 5
SPACE = """
BASELINES = ("A0", "D2")
STARTS = ({"network/kind": "unet"}, {"network/kind": "cnn", "training/lr": 0.003})


def space(trial):
    if trial.suggest_categorical("network/kind", ["unet", "cnn"]) == "cnn":
        trial.suggest_categorical("network/cnn/kernel", [3, 5, 7])
    trial.suggest_float("training/lr", 1e-4, 1e-2, log=True)
    return {"training/batch": 32}
"""


@pytest.fixture
def space(tmp_path: Path) -> Space:
    path = tmp_path / "a_space.py"
    path.write_text(SPACE)
    return load(str(path), {})


class Driver:
    """Does with the real log, study and rungs what Ray Tune and the recorder do, two trials at a time, in their order.

    Every trial's FMD is a function of its configuration.
    """

    def __init__(self, folder: Path, space: Space, kind: str) -> None:
        given: dict[str, Any] = {"name": "run", "storage_path": str(folder), "trials": TRIALS, "scheduler": kind}
        given |= {"max_images": 900, "grace_images": 100}
        self.settings = Settings.resolve(given, space.given, space.digest, Machine(cpus=2, gpus=0))
        self.run = Run.open(folder / "run") if (folder / "run").exists() else Run.create(folder, "run")
        self.scheduler = SCHEDULERS[kind](RUNGS, 3)
        history = History(self.run.events(), self.scheduler)
        self.searcher = StudySearch(self.settings, space, self.run.study_file, lambda: False, self.scheduler)
        reconcile(self.run, history, self.searcher)
        self.searcher.on_release = self.released
        self.stopping = Stopping(self.scheduler, lambda seconds: seconds < 10_000, self.searcher.tries)
        self.started, self.seen = set(history.started), dict[str, int]()
        self.checkpoints = {name: len(reports) for name, reports in history.reports.items()}

    def go(self, seed: int) -> None:
        rng, running, ids = random.Random(seed), dict[str, dict[str, Any]](), iter(range(1000))
        while True:
            while len(running) < 2 and isinstance(config := self.searcher.suggest(name := str(next(ids))), dict):
                running[name] = config
                self.start(config)
            if not running:
                break
            chosen = rng.choice(sorted(running))
            if not self.report(chosen, running[chosen]):
                del running[chosen]
        self.searcher.release()

    def released(self, name: str) -> None:
        self.run.append({"event": "end", "trial": name, "state": "PRUNED"})

    def start(self, config: dict[str, Any]) -> None:
        if config["trial"] not in self.started:
            self.started.add(config["trial"])
            self.run.append({"event": "start", **config})
        # The trial says again what its checkpoint was saved with.
        self.seen[config["trial"]] = max(0, self.checkpoints.get(config["trial"], 0) - 1)

    def report(self, trial_id: str, config: dict[str, Any]) -> bool:
        name = config["trial"]
        rung = RUNGS[self.seen[name]]
        self.seen[name] += 1
        self.checkpoints[name] = max(self.checkpoints.get(name, 0), self.seen[name])
        fmd, diverged = config["seed"] % 1000 + 1e5 / rung, config["number"] == 5
        # Two trials are so slow that there is no time for them to go on.
        speed = 1e-3 if config["number"] in (3, 6) else 1.0
        result = {"images_seen": rung, "fmd": fmd, "diverged": diverged, "images_per_second": speed}
        goes_on = self.stopping.on_trial_result(None, SimpleNamespace(config=config), result) == "CONTINUE"  # type: ignore[arg-type]
        if goes_on:
            self.searcher.on_trial_result(trial_id, result)
        self.run.append(
            {"event": "report", "trial": name, **{k: result[k] for k in ("images_seen", "fmd", "diverged")}}
        )
        if not goes_on:
            self.searcher.on_trial_complete(trial_id, result)
            if config["number"] not in self.scheduler.waiting:
                self.run.append({"event": "end", "trial": name, "state": state_at(result, RUNGS[-1])})
        return goes_on


def check_consistent(run: Run, before: list[dict[str, Any]]) -> None:
    """The laws of a run that has ended, whatever happened on the way; `before` is its log at a crash."""
    events = run.events()
    starts = [event["trial"] for event in events if event["event"] == "start"]
    ends = {event["trial"]: event["state"] for event in events if event["event"] == "end"}
    reports = {(e["trial"], e["images_seen"]): e["fmd"] for e in events if e["event"] == "report"}
    study = optuna.load_study(study_name="run", storage=JournalStorage(JournalFileBackend(str(run.study_file))))
    asked = [trial for trial in study.trials if trial.state != TrialState.WAITING]
    assert len(starts) == len(set(starts)) == len(asked) == TRIALS
    assert [trial.user_attrs["trial"] for trial in asked] == sorted(starts)
    assert {trial.user_attrs["trial"]: trial.state.name for trial in asked} == ends
    assert [trial.user_attrs["baseline"] for trial in asked][:5] == ["", "A0", "D2", "", ""]
    for trial in asked:
        name = trial.user_attrs["trial"]
        assert trial.intermediate_values == {rung: fmd for (of, rung), fmd in reports.items() if of == name}
        assert sorted(trial.intermediate_values) == list(RUNGS[: len(trial.intermediate_values)])
        assert trial.user_attrs["variant"] == json.dumps(next(e["variant"] for e in events if e["trial"] == name))
    assert all(reports[e["trial"], e["images_seen"]] == e["fmd"] for e in before if e["event"] == "report")
    assert (run.trials().num_rows, run.curves().num_rows) == (TRIALS, len(reports))


@pytest.fixture(params=["asha-stopping", "asha", "iepoch"])
def kind(request: pytest.FixtureRequest) -> str:
    """The schedulers that differ in what is open at a crash; hyperband is an asha, none stops nothing."""
    return str(request.param)


@pytest.fixture
def moments(kind: str, space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """A whole search in `tmp_path`, and the lengths of its journal and its log before every single write to either."""
    lengths: list[tuple[int, int]] = []
    run = tmp_path / "run"

    def watch(owner: type, method: str) -> None:
        write = getattr(owner, method)

        def watched(self: Any, *given: Any) -> Any:
            lengths.append((_length(run / "study.journal"), _length(run / "log.jsonl")))
            return write(self, *given)

        monkeypatch.setattr(owner, method, watched)

    watch(JournalFileBackend, "append_logs")
    watch(Run, "append")
    driver = Driver(tmp_path, space, kind)
    driver.go(seed=1)
    check_consistent(driver.run, [])
    monkeypatch.undo()
    return lengths


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@pytest.mark.parametrize("torn", [0, 40], ids=["between two writes", "in the middle of a write"])
def test_a_search_killed_at_any_moment_goes_on_and_loses_nothing(
    torn: int, kind: str, moments: list[tuple[int, int]], space: Space, tmp_path: Path
) -> None:
    for number, (journal, log) in enumerate(moments[torn % 2 :: STRIDE]):
        folder = tmp_path / str(number)
        (folder / "run").mkdir(parents=True)
        for name, length in (("study.journal", journal), ("log.jsonl", log)):
            whole = (tmp_path / "run" / name).read_bytes()
            (folder / "run" / name).write_bytes(whole[: length + torn])
        (folder / "run" / "study.journal.lock").symlink_to("study.journal")
        before = Run.open(folder / "run").events()
        driver = Driver(folder, space, kind)
        driver.go(seed=number)
        check_consistent(driver.run, before)
