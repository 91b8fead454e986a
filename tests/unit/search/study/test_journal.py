"""Laws of the study's journal: whatever becomes of the file, the search goes on by the log and draws what it would."""

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from analysis.run.earlier import EarlierTrial
from analysis.run.events import End, Start, State
from analysis.run.run import Run
from search.earlier.warm_start import BEST, WarmStart
from search.history import History, end_state
from search.machine import Machine
from search.schedulers import SCHEDULERS, Decision
from search.settings import Settings
from search.space.space import Space
from search.study.journal import open_study
from search.study.queue import TrialQueue
from search.tries import MAX_FAILURES
from tests.helpers.spaces import RUNGS, space_of
from trainables.report import Report

# More than those that are drawn at random, so that TPE's model decides what comes next. The last two are interrupted,
# the first of them beyond its first rung.
BEGUN, TRIALS = 21, 40
DIVERGED, FAILED = 6, 7
WRONG_TYPE = b'{"op_code":8,"worker_id":"a","trial_id":0,"user_attr":{"variant":5}}\n'
Damage = Callable[[Path], object]


class Search:
    """The plain objects of a session that goes on with a run; `notes` are the lines that it prints."""

    def __init__(self, run: Run, space: Space, **given: Any) -> None:
        given = {"name": run.name, "trials": TRIALS, "max_images": 900, "grace_images": 100, **given}
        given["scheduler"] = "none" if "against" in given else "asha"
        settings = Settings.resolve(given, space.given, space.digest, Machine(cpus=2, gpus=0))
        self.run, self.notes = run, list[str]()
        self.scheduler = SCHEDULERS[settings.scheduler](RUNGS, 3)
        history = History(run.events(), self.scheduler)
        self.study = open_study(run.study_file, settings, space, history, self.notes.append)
        warm_start = WarmStart.of(run.earlier_trials(), space, RUNGS[-1])
        self.queue = TrialQueue(settings, space, self.study, self.scheduler, warm_start=warm_start)
        self.closed = self.queue.resume(history)
        self.queue.on_prune = lambda name: self.run.append(End(name, "PRUNED"))

    def begin(self) -> None:
        """Run `BEGUN` trials, the last two of which are interrupted."""
        while (start := self.queue.next_trial()) is not None:
            self.run.append(start)
            if start.number == BEGUN - 1:
                return
            if start.number == BEGUN - 2:
                self.queue.on_report(start, report(start, 0))
                self.run.append(report(start, 0))
            elif start.number == FAILED:
                self.fail(start)
            else:
                self.train(start)

    def train(self, start: Start) -> None:
        for rung in range(len(RUNGS)):
            one = report(start, rung)
            decision = self.scheduler.on_report(start.number, one)
            self.run.append(one)  # a repeated one does not count
            if decision is not Decision.CONTINUE:
                self.queue.on_end(start, one, failed=False)
                state: State = "PAUSED" if decision is Decision.PAUSE else end_state(one, RUNGS[-1])
                self.run.append(End(start.trial, state))
                return
            self.queue.on_report(start, one)

    def fail(self, start: Start) -> None:
        for _ in range(MAX_FAILURES):
            self.queue.tries.count_failure(start.number)
        self.queue.on_end(start, None, failed=True)
        self.run.append(End(start.trial, "FAILED", "Traceback"))

    def following(self) -> list[Start]:
        """Return the trials that run next, up to the fifth that is new."""
        starts = list[Start]()
        while sum(start.number >= BEGUN for start in starts) < 5:
            start = self.queue.next_trial()
            assert start is not None
            starts.append(start)
        return starts


def report(start: Start, rung: int) -> Report:
    """A trial's report at a rung; its FMD is a function of the configuration."""
    lr = float(start.variant["training/lr"])
    fmd = 20 + 60 * abs(math.log10(lr / 3e-3)) + 100 / 3**rung + start.number / 100
    fmd = 1.0 if start.number == BEGUN - 2 else fmd
    values = {"trial": start.trial, "images_seen": RUNGS[rung], "rung": rung, "fmd": fmd, "nfe": 20, "parameters": 7}
    return Report.from_dict({**values, "diverged": start.number == DIVERGED, "images_per_second": 1.0})


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Space:
    return space_of(tmp_path_factory.mktemp("space"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, space: Space) -> Path:
    """The folder of an interrupted run with trials in every state."""
    run = Run.create(tmp_path_factory.mktemp("runs"), "run")
    Search(run, space).begin()
    assert set(run.trials()["state"].to_pylist()) == {"RUNNING", "PAUSED", "PRUNED", "COMPLETE", "FAILED"}
    return run.path


@pytest.fixture(scope="module")
def expected(whole: Path, space: Space, tmp_path_factory: pytest.TempPathFactory) -> list[Start]:
    """The trials that run next where the journal is intact."""
    search = Search(Run.open(shutil.copytree(whole, tmp_path_factory.mktemp("intact") / "run")), space)
    assert (search.notes, search.closed) == ([], [])
    following = search.following()
    assert {one.number for one in following} >= {BEGUN - 1, BEGUN - 2}  # those that were interrupted
    return following


@pytest.fixture
def journal_of_another_run(tmp_path: Path, space: Space) -> Path:
    run = Run.create(tmp_path / "other", "run")
    Search(run, space, seed=1).begin()
    return run.study_file


def check_goes_on(search: Search, log: bytes, expected: list[Start]) -> None:
    """The study has all that the log says, the log is as it was, and the same trials run next."""
    assert (search.run.path / "log.jsonl").read_bytes() == log
    assert search.closed == []
    starts = search.run.starts().values()
    trials = {trial.user_attrs["trial"]: trial for trial in search.study.trials if trial.user_attrs.get("trial")}
    assert trials.keys() == {start.trial for start in starts}
    states = {name: end.state for name, end in search.run.ends().items()}
    for start in starts:
        trial = trials[start.trial]
        known = (trial.number, trial.user_attrs["seed"], trial.user_attrs["baseline"])
        assert known == (start.number, start.seed, start.baseline)
        reports = search.run.reports().get(start.trial, [])
        assert trial.intermediate_values == {one.images_seen: one.fmd for one in reports}
        state = states.get(start.trial, "RUNNING")
        assert trial.state.name == {"PAUSED": "RUNNING", "FAILED": "FAIL"}.get(state, state)
    assert [trial.number for trial in trials.values()] == list(range(BEGUN))
    following = search.following()
    assert following == expected
    again = {start.trial: start for start in starts}
    assert all(one.variant == again[one.trial].variant for one in following if one.trial in again)


def lose(journal: Path) -> None:
    journal.unlink()


def cut(share: float) -> Damage:
    def apply(journal: Path) -> None:
        lines = journal.read_bytes().splitlines(keepends=True)
        journal.write_bytes(b"".join(lines[: round(share * len(lines))]))

    return apply


def insert(line: bytes, share: float = 0.5) -> Damage:
    def apply(journal: Path) -> None:
        lines = journal.read_bytes().splitlines(keepends=True)
        lines.insert(round(share * len(lines)), line)
        journal.write_bytes(b"".join(lines))

    return apply


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lose, "is lost"),
        (cut(0.0), "does not agree with the log"),
        (cut(0.4), "does not agree with the log"),
        (cut(0.8), "does not agree with the log"),
        (insert(b"no JSON\n"), "does not agree with the log"),
        (insert(b"{}\n"), "does not agree with the log"),
        (insert(b"\xff\xfe\n"), "does not agree with the log"),
        (insert(b"\n"), "does not agree with the log"),
        (insert(b"\n", share=1), "does not agree with the log"),
        (insert(bytes(64) + b"\n", share=1), "does not agree with the log"),
        (insert(b'{"op_code":99,"worker_id":"a"}\n', share=1), "does not agree with the log"),
        (insert(WRONG_TYPE, share=1), "does not agree with the log"),
    ],
    ids=[
        *("lost", "empty", "much older", "older", "no JSON", "no record", "no text", "blank", "blank at its end"),
        *("NULs at its end", "an unknown operation", "an attribute of a wrong type"),
    ],
)
def test_a_journal_that_is_lost_older_or_damaged_is_made_anew_from_the_log(
    damage: Damage, reason: str, whole: Path, space: Space, expected: list[Start], tmp_path: Path
) -> None:
    run = Run.open(shutil.copytree(whole, tmp_path / "run"))
    log = (run.path / "log.jsonl").read_bytes()
    damage(run.study_file)
    search = Search(run, space)
    assert search.notes == [f"study.journal {reason}; it is made anew from the log"]
    check_goes_on(search, log, expected)
    assert sorted(path.name for path in run.path.glob("*study.journal*")) == ["study.journal"]
    assert Search(Run.open(run.path), space).notes == []


def test_a_journal_of_another_run_is_replaced(
    journal_of_another_run: Path, whole: Path, space: Space, expected: list[Start], tmp_path: Path
) -> None:
    run = Run.open(shutil.copytree(whole, tmp_path / "run"))
    log = (run.path / "log.jsonl").read_bytes()
    shutil.copy(journal_of_another_run, run.study_file)
    search = Search(run, space)
    assert search.notes == ["study.journal does not agree with the log; it is made anew from the log"]
    check_goes_on(search, log, expected)


def test_a_journal_that_lacks_the_last_report_is_used_as_it_is(
    whole: Path, space: Space, expected: list[Start], tmp_path: Path
) -> None:
    run = Run.open(shutil.copytree(whole, tmp_path / "run"))
    log = (run.path / "log.jsonl").read_bytes()
    # That of an interrupted trial, which does not repeat it once it has saved a checkpoint at a later rung.
    records = run.study_file.read_bytes().splitlines(keepends=True)
    at = max(i for i, record in enumerate(records) if b"intermediate_value" in record)
    run.study_file.write_bytes(b"".join([*records[:at], *records[at + 1 :]]))
    search = Search(run, space)
    assert search.notes == []
    check_goes_on(search, log, expected)


@pytest.mark.parametrize("damage", [lambda journal: None, lose], ids=["intact", "lost"])
def test_a_run_whose_folder_was_renamed_goes_on(
    damage: Damage, whole: Path, space: Space, expected: list[Start], tmp_path: Path
) -> None:
    run = Run.open(shutil.copytree(whole, tmp_path / "renamed"))
    log = (run.path / "log.jsonl").read_bytes()
    damage(run.study_file)
    search = Search(run, space)
    assert len(search.notes) == (0 if run.study_file.exists() and search.study.study_name == "run" else 1)
    check_goes_on(search, log, expected)


def test_with_two_objectives_the_study_is_made_anew_with_both(space: Space, tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    Search(run, space, against="nfe").begin()
    intact = Search(Run.open(shutil.copytree(run.path, tmp_path / "intact")), space, against="nfe")
    run.study_file.unlink()
    search = Search(Run.open(run.path), space, against="nfe")
    assert len(search.notes) == 1
    complete = [trial.values for trial in search.study.trials if trial.state == TrialState.COMPLETE]
    assert complete
    assert complete == [trial.values for trial in intact.study.trials if trial.state == TrialState.COMPLETE]
    assert search.following() == intact.following()


def test_an_end_that_the_log_lacks_is_told_by_the_report_that_decided_it(
    whole: Path, space: Space, tmp_path: Path
) -> None:
    """A search that dies between a trial's last report and its end."""
    run = Run.open(shutil.copytree(whole, tmp_path / "run"))
    ended = next(name for name, end in run.ends().items() if end.state == "COMPLETE")
    lines = (run.path / "log.jsonl").read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if not (b'"event":"end"' in line and f'"{ended}"'.encode() in line)]
    (run.path / "log.jsonl").write_bytes(b"".join(kept))
    intact = Search(Run.open(shutil.copytree(run.path, tmp_path / "intact")), space)
    run.study_file.unlink()
    search = Search(Run.open(run.path), space)
    assert search.closed == intact.closed == [(ended, "COMPLETE")]
    assert search.following() == intact.following()


@pytest.mark.parametrize("damage", [None, lose], ids=["intact", "lost"])
def test_a_warm_started_search_goes_on_by_what_it_keeps_of_the_earlier_runs(
    damage: Damage | None, whole: Path, expected: list[Start], space: Space, tmp_path: Path
) -> None:
    earlier, run = Run.open(whole), Run.create(tmp_path, "run")
    starts = earlier.starts()
    kept = [EarlierTrial("gone", n, RUNGS[-1], starts[n].variant, tuple(rs)) for n, rs in earlier.reports().items()]
    run.write_earlier_trials(kept)
    Search(run, space).begin()
    first = [start.variant for start in run.starts().values()][1 : 1 + BEST]
    assert all(variant in [start.variant for start in starts.values()] for variant in first)
    log = (run.path / "log.jsonl").read_bytes()
    following = Search(Run.open(shutil.copytree(run.path, tmp_path / "intact")), space).following()
    assert following != expected  # those of the search that has nothing to begin with
    if damage is not None:
        damage(run.study_file)
    check_goes_on(Search(Run.open(run.path), space), log, following)


def test_a_new_run_makes_its_journal_without_a_note(space: Space, tmp_path: Path) -> None:
    assert Search(Run.create(tmp_path, "run"), space).notes == []
