"""Trackers that are slow, refuse or are away: nothing waits for them, nothing is lost, and one line is said."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.run.events import End, Start
from analysis.run.run import Run
from search.trackers import sending as sending_module
from search.trackers.record import Record, take_in
from search.trackers.sending import Sending, Trackers
from tests.helpers.fake_runs import IMAGES, report, start
from tests.helpers.tools import until

RUNGS = len(IMAGES)


class Memory:
    """A tracker that has, of each trial, the newest record that it was sent."""

    def __init__(self, refuse: Callable[[Record], bool] = lambda record: False) -> None:
        self.has: dict[str, Record] = {}
        self.sent: list[Record] = []
        self.closed = 0
        self.refuse = refuse

    def send(self, record: Record) -> None:
        if self.refuse(record):
            raise ConnectionError("nobody is there\nand more")
        self.has[record.start.trial] = record
        self.sent.append(record)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path, "run")


def test_the_tracker_gets_what_the_log_has_also_of_earlier_sessions(run: Run) -> None:
    start(run, "000-a", {"training/lr": 0.1})
    report(run, "000-a", 0, 9.0)
    memory, said = Memory(), list[str]()
    trackers = Trackers([Sending("memory", lambda: memory)], said.append)
    trackers.follow(run)
    start(run, "001-b", {})
    report(run, "000-a", 1, 5.0)
    report(run, "000-a", 1, 6.0)  # repeated after a restart: it does not count
    run.append(End("000-a", "COMPLETE"))
    trackers.follow(run)
    assert trackers.close()
    assert [one.fmd for one in memory.has["000-a"].reports] == [9.0, 5.0]
    assert {name: record.state for name, record in memory.has.items()} == {"000-a": "COMPLETE", "001-b": "RUNNING"}
    assert (memory.closed, said) == (1, [])


def test_of_a_tracker_that_fails_one_line_is_said_and_it_gets_everything_once_it_is_back(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending_module, "RETRY_SECONDS", 0.01)
    away, tried, said = threading.Event(), 0, list[str]()
    away.set()
    memory = Memory(lambda record: away.is_set())

    def connect() -> Memory:
        nonlocal tried
        tried += 1
        return memory

    trackers = Trackers([Sending("memory:x", connect)], said.append)
    start(run, "000-a", {})
    trackers.follow(run)
    until(lambda: tried > 3)
    for rung in range(RUNGS):
        report(run, "000-a", rung, 9.0)
        trackers.follow(run)
        trackers.look()
    assert said == ["memory:x fails and is tried again, the search goes on without it: nobody is there"]
    away.clear()
    until(lambda: bool(memory.sent))
    assert trackers.close()
    assert len(memory.has["000-a"].reports) == RUNGS
    assert len(said) == 1


def test_a_record_that_is_refused_keeps_no_other_back(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending_module, "RETRY_SECONDS", 0.01)
    memory, said = Memory(lambda record: record.start.trial == "000-a"), list[str]()
    for name in ("000-a", "001-b", "002-c"):
        start(run, name, {})
    trackers = Trackers([Sending("memory", lambda: memory)], said.append)
    trackers.follow(run)
    until(lambda: memory.has.keys() == {"001-b", "002-c"})
    assert not trackers.close()
    assert said[-1] == "memory has not got everything (nobody is there); search/send.py sends what is missing"


def test_what_failed_shortly_before_the_end_is_tried_once_more(run: Run) -> None:
    failed = threading.Event()

    def refuse(record: Record) -> bool:
        before = failed.is_set()
        failed.set()
        return not before

    memory, said = Memory(refuse), list[str]()
    start(run, "000-a", {})
    trackers = Trackers([Sending("memory", lambda: memory)], said.append)
    trackers.follow(run)
    assert failed.wait(30)
    assert trackers.close()
    assert memory.has.keys() == {"000-a"}
    assert said == []


def test_at_the_end_a_record_that_is_refused_keeps_no_other_back(run: Run) -> None:
    memory, said = Memory(lambda record: record.start.trial == "000-a"), list[str]()
    for number in range(9):
        start(run, f"{number:03d}-a", {})
    trackers = Trackers([Sending("memory", lambda: memory)], said.append)
    trackers.follow(run)
    assert not trackers.close()
    assert len(memory.has) == 8


def test_nothing_waits_for_a_tracker_that_does_not_answer(run: Run) -> None:
    never, quick, said = threading.Event(), Memory(), list[str]()

    def connect() -> Memory:
        never.wait()
        raise AssertionError

    trackers = Trackers([Sending("stuck", connect), Sending("quick", lambda: quick)], said.append)
    began = time.monotonic()
    for number in range(50):
        start(run, f"{number:03d}-a", {})
        trackers.follow(run)
        trackers.look()
    assert not trackers.close(seconds=0.5)
    assert time.monotonic() - began < 20
    assert len(quick.has) == 50
    assert said == ["stuck has not got everything; search/send.py sends what is missing"]


def test_while_a_tracker_is_slow_only_the_newest_record_of_a_trial_waits(run: Run) -> None:
    goes_on = threading.Event()
    memory = Memory(lambda record: not goes_on.wait(30))
    sending = Sending("slow", lambda: memory)
    start(run, "000-a", {})
    records = take_in({}, run.events(), run)
    for _ in range(5):
        sending.put(records[0])
    for rung in range(RUNGS):
        report(run, "000-a", rung, 9.0)
        (record,) = take_in({"000-a": records[0]}, run.events()[1:], run)
        sending.put(record)
    goes_on.set()
    assert sending.close()
    assert len(memory.sent) <= 2
    assert len(memory.sent[-1].reports) == RUNGS


def test_a_trial_is_found_again_by_the_log_and_is_not_that_of_a_search_which_had_the_same_name(tmp_path: Path) -> None:
    identities = []
    for folder in ("one", "two"):
        run = Run.create(tmp_path / folder, "run")
        run.append(Start("000-a", 0, 0, "", {}))
        for session in (run, Run.open(run.path)):
            session.append(End("000-a", "PAUSED"))
            session.append(Start("000-a", 0, 0, "", {}))  # promoted
            (record,) = take_in({}, session.events(), session)
            identities.append(record.identity)
    one, again, two, two_again = identities
    assert one == again != two == two_again


def test_what_is_chosen_after_training_is_among_the_parameters(run: Run) -> None:
    run.append(Start("000-a", 0, 0, "", {"sampler/guidance": 0.7}, chooses=True))
    records: dict[str, Record] = {}
    (before,) = take_in(records, run.events(), run)
    assert not before.has_parameters
    report(run, "000-a", 0, 9.0, tried_guidance=(0.7, 1.0), tried_fmd=(9.5, 9.0))
    (after,) = take_in(records, run.events()[1:], run)
    assert (after.has_parameters, after.parameters["sampler/guidance"]) == (True, 1.0)
