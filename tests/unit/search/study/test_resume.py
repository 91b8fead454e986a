"""Laws of a resume: a search killed at any moment loses nothing, does nothing twice, and leaves no trial open.

With one slot it also draws what it would have drawn.
"""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from analysis.run.events import End, Event, Start, State
from analysis.run.run import Run
from search.history import History, end_state
from search.machine import Machine
from search.options import LEARN_IN_FULL
from search.schedulers import SCHEDULERS, Decision
from search.settings import Settings
from search.space.space import Space
from search.study.journal import open_study, run_state
from search.study.queue import TrialQueue
from search.time_limit import TimeLimit
from tests.helpers.spaces import RUNGS, space_of
from trainables.report import Report

TRIALS = 8
# Of some 150 moments, the distance between those at which a crash is tried.
STRIDE = 5
# More than those that are drawn at random, so that a model decides what comes next.
MODELLED, STRIDE_ALONE = 16, 41


@pytest.fixture
def space(tmp_path: Path) -> Space:
    return space_of(tmp_path)


class Driver:
    """Does with the real log, study and scheduler what a session does, `slots` trials at a time, in its order.

    Every trial's FMD is a function of its configuration.
    """

    def __init__(self, folder: Path, space: Space, kind: str, slots: int = 2, **given: Any) -> None:
        self.slots = slots
        given = {"name": "run", "storage_path": str(folder), "trials": TRIALS, "scheduler": kind, **given}
        given |= {"max_images": 900, "grace_images": 100}
        self.settings = Settings.resolve(given, space.given, space.digest, Machine(cpus=2, gpus=0))
        self.run = Run.open(folder / "run") if (folder / "run").exists() else Run.create(folder, "run")
        self.scheduler = SCHEDULERS[kind](RUNGS, 3)
        history, notes = History(self.run.events(), self.scheduler), list[str]()
        study = open_study(self.run.study_file, self.settings, space, history, notes.append)
        assert notes == []  # a crash leaves a journal that agrees with the log
        self.queue = TrialQueue(self.settings, space, study, self.scheduler)
        for name, state in self.queue.resume(history):
            self.run.append(End(name, state))
        self.queue.on_prune = lambda name: self.end(name, "PRUNED")
        self.limit = TimeLimit(self.scheduler, lambda: 10_000.0)
        self.logged = {name for name in history.starts if not history.is_paused(name)}
        self.seen = dict[str, int]()
        self.checkpoints = {name: len(reports) for name, reports in history.reports.items()}

    def go(self, seed: int) -> None:
        rng, running = random.Random(seed), list[Start]()
        while True:
            while len(running) < self.slots and (start := self.queue.next_trial()) is not None:
                running.append(start)
                self.start(start)
            if not running:
                break
            chosen = rng.choice(running)
            if not self.report(chosen):
                running.remove(chosen)
        self.queue.finish()

    def start(self, start: Start) -> None:
        if start.trial not in self.logged:
            self.logged.add(start.trial)
            self.run.append(start)
        # The trial repeats the report that its checkpoint was saved with.
        self.seen[start.trial] = max(0, self.checkpoints.get(start.trial, 0) - 1)

    def report(self, start: Start) -> bool:
        """Let a trial reach its next rung, and return whether it continues."""
        name = start.trial
        rung = self.seen[name]
        self.seen[name] += 1
        self.checkpoints[name] = max(self.checkpoints.get(name, 0), self.seen[name])
        # Two trials are so slow that there is no time for them to go on.
        speed = 1e-3 if start.number in (3, 6) else 1.0
        values = {"trial": name, "images_seen": RUNGS[rung], "rung": rung, "fmd": start.seed % 1000 + 1e5 / RUNGS[rung]}
        report = Report.from_dict({**values, "diverged": start.number == 5, "images_per_second": speed})
        continues = self.limit.on_report(start.number, report) is Decision.CONTINUE
        if continues:
            self.queue.on_report(start, report)
        self.run.append(report)
        if not continues:
            self.queue.on_end(start, report, failed=False)
            paused = start.number in self.scheduler.paused
            self.end(name, "PAUSED" if paused else end_state(report, RUNGS[-1]))
        return continues

    def end(self, name: str, state: State) -> None:
        self.run.append(End(name, state))
        if state == "PAUSED":
            self.logged.discard(name)


def check_consistent(run: Run, before: list[Event]) -> None:
    """The laws of a run that has ended, whatever happened on the way; `before` is its log at a crash."""
    starts, states = run.starts(), {name: end.state for name, end in run.ends().items()}
    reports = {(e.trial, e.images_seen): e.fmd for e in run.events() if isinstance(e, Report)}
    storage = JournalStorage(JournalFileBackend(str(run.study_file)))
    study = optuna.load_study(study_name="run", storage=storage)
    asked = [trial for trial in study.trials if trial.state != TrialState.WAITING]
    assert len(starts) == len(asked) == TRIALS
    assert [trial.user_attrs["trial"] for trial in asked] == sorted(starts)
    assert {trial.user_attrs["trial"]: run_state(trial.state) for trial in asked} == states
    assert all(trial.state.is_finished() for trial in asked)
    assert [trial.user_attrs["baseline"] for trial in asked][:5] == ["", "", "A0", "D2", ""]
    for trial in asked:
        name = trial.user_attrs["trial"]
        assert trial.intermediate_values == {rung: fmd for (of, rung), fmd in reports.items() if of == name}
        assert sorted(trial.intermediate_values) == list(RUNGS[: len(trial.intermediate_values)])
        assert trial.user_attrs["variant"] == json.dumps(dict(starts[name].variant))
    ended = set[str]()
    for event in run.events():
        if isinstance(event, Start):
            assert replace(event, time=0.0) == replace(starts[event.trial], time=0.0)
        assert event.trial not in ended  # the last event of a trial is its end
        if isinstance(event, End) and event.state != "PAUSED":
            ended.add(event.trial)
    assert run.events()[: len(before)] == before
    assert run.trials()["state"].to_pylist() == [states[name] for name in sorted(starts)]
    assert (run.trials().num_rows, run.curves().num_rows) == (TRIALS, len(reports))


@pytest.fixture(params=["asha-stopping", "asha", "iepoch"])
def kind(request: pytest.FixtureRequest) -> str:
    """The schedulers that differ in which trials are open at a crash; hyperband is like asha-stopping."""
    return str(request.param)


@pytest.fixture
def moments(kind: str, space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """A whole search in `tmp_path`, and the moments at which it can be killed."""
    lengths = watched(tmp_path / "run", monkeypatch)
    driver = Driver(tmp_path, space, kind)
    driver.go(seed=1)
    check_consistent(driver.run, [])
    monkeypatch.undo()
    return lengths


def watched(run: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """A list that gets the lengths of a run's journal and log before every single write to either."""
    lengths: list[tuple[int, int]] = []

    def watch(owner: type, method: str) -> None:
        write = getattr(owner, method)

        def watched(self: Any, *given: Any) -> Any:
            lengths.append((_length(run / "study.journal"), _length(run / "log.jsonl")))
            return write(self, *given)

        monkeypatch.setattr(owner, method, watched)

    watch(JournalFileBackend, "append_logs")
    watch(Run, "append")
    return lengths


@pytest.fixture(params=["tpe", "random", "qmc", "gp", "nsga2"])
def sampler(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_with_one_slot_a_search_killed_at_any_moment_is_the_same_search(
    sampler: str, space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = "none" if sampler in LEARN_IN_FULL else "asha"
    given: dict[str, Any] = {"slots": 1, "sampler": sampler, "trials": MODELLED}
    moments = watched(tmp_path / "run", monkeypatch)
    whole = Driver(tmp_path, space, kind, **given)
    whole.go(seed=0)
    expected = outcome(whole.run)
    assert len(expected) == MODELLED
    for number, moment in enumerate(list(moments)[::STRIDE_ALONE]):
        driver = Driver(killed(tmp_path, number, moment), space, kind, **given)
        driver.go(seed=0)
        assert outcome(driver.run) == expected


def outcome(run: Run) -> dict[str, Any]:
    """By trial, in the order in which they began: its configuration, its seed, its reports and how it ended."""
    reports = {name: [(one.images_seen, one.fmd) for one in of] for name, of in run.reports().items()}
    ends = run.ends()
    return {name: (dict(s.variant), s.seed, reports[name], ends[name].state) for name, s in run.starts().items()}


def killed(tmp_path: Path, number: int, moment: tuple[int, int], torn: int = 0) -> Path:
    """A folder with the run of `tmp_path` as a kill leaves it when journal and log have these lengths."""
    folder = tmp_path / str(number)
    (folder / "run").mkdir(parents=True)
    for name, length in zip(("study.journal", "log.jsonl"), moment, strict=True):
        whole = (tmp_path / "run" / name).read_bytes()
        (folder / "run" / name).write_bytes(whole[: length + torn])
    (folder / "run" / "study.journal.lock").symlink_to("study.journal")
    return folder


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@pytest.mark.parametrize("torn", [0, 40], ids=["between two writes", "in the middle of a write"])
def test_a_search_killed_at_any_moment_goes_on_and_loses_nothing(
    torn: int, kind: str, moments: list[tuple[int, int]], space: Space, tmp_path: Path
) -> None:
    for number, moment in enumerate(moments[torn % 2 :: STRIDE]):
        folder = killed(tmp_path, number, moment, torn)
        before = Run.open(folder / "run").events()
        driver = Driver(folder, space, kind)
        driver.go(seed=number)
        check_consistent(driver.run, before)
