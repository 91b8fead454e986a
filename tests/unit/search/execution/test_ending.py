"""The early end of a session: signals ask for it once, lost processes of Ray are noticed, and nothing hangs."""

import signal
import socket
import time
from collections.abc import Iterator

import pytest

from search.execution import ending
from search.execution.ending import Ending, Left
from tests.helpers.tools import until


class Written:
    """Counts how often the records are written, and keeps the status with which the process would end."""

    def __init__(self) -> None:
        self.times, self.statuses = 0, list[int]()

    def __call__(self) -> None:
        self.times += 1


@pytest.fixture
def written() -> Written:
    return Written()


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "EVERY", 0.01)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_asks_for_the_end_and_that_is_written_at_once(
    number: signal.Signals, written: Written, capfd: pytest.CaptureFixture[str]
) -> None:
    session, before = Ending(written, written.statuses.append), signal.getsignal(number)
    with session.watched({}):
        session.leave()
        assert written.times == 0
        signal.raise_signal(number)
        with pytest.raises(Left):
            session.leave()
        until(lambda: written.times)
    assert (session.interrupted, session.lost, written.times) == (True, "", 1)
    assert "Ctrl-C once more quits at once" in capfd.readouterr().err
    assert signal.getsignal(number) == before


def test_only_a_second_ctrl_c_of_a_person_quits_at_once(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Ending(written, written.statuses.append)
    with session.watched({}):
        signal.raise_signal(signal.SIGHUP)
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):  # a closed terminal may send several
            signal.raise_signal(number)
        assert written.statuses == []
        monkeypatch.setattr(ending, "APART", 0.0)
        signal.raise_signal(signal.SIGTERM)
        assert written.statuses == []
        signal.raise_signal(signal.SIGINT)
        assert written.statuses == [130]


def test_a_lost_process_of_ray_is_noticed_and_one_that_listens_is_not(
    written: Written, listener: socket.socket
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        session = Ending(written, written.statuses.append)
        with session.watched({"its gcs_server": listener.getsockname(), "its raylet": other.getsockname()}):
            time.sleep(0.2)
            session.leave()
            other.close()
            until(lambda: session.lost)
            assert session.lost == "its raylet"
            with pytest.raises(Left):
                session.leave()
            until(lambda: written.times)
    assert not session.interrupted


def test_a_machine_that_does_not_answer_is_lost_after_a_while(
    written: Written, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([None, TimeoutError(), None])
    monkeypatch.setattr(ending, "_error_of", lambda address: next(answers, TimeoutError()))
    monkeypatch.setattr(ending, "SILENT", 0.5)
    session = Ending(written, written.statuses.append)
    with session.watched({"its gcs_server": listener.getsockname()}):
        until(lambda: session.lost)
    assert next(answers, None) is None  # it was asked again after the first silence


class Running:
    """Trials that run until they are asked to leave, or for ever."""

    def __init__(self, leaves: bool) -> None:
        self.runs, self._leaves = True, leaves

    def ask_to_leave(self) -> None:
        self.runs = not self._leaves


@pytest.mark.parametrize("leaves", [True, False])
def test_trials_are_given_a_moment_to_save(leaves: bool, written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    trials = Running(leaves)
    session = Ending(written, trials=trials)
    monkeypatch.setattr(ending, "SAVING", 1000.0 if leaves else 0.3)
    session.interrupted = True

    def left() -> bool:
        try:
            session.leave()
        except Left:
            return True
        return False

    until(left)
    assert trials.runs == (not leaves)


@pytest.mark.parametrize(("interrupted", "status"), [(True, 130), (False, 1)])
def test_where_the_end_in_order_hangs_the_process_ends_by_force(
    interrupted: bool, status: int, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "IN_ORDER", 0.1)
    session = Ending(written, written.statuses.append)
    with session.watched({}):
        session.interrupted, session.lost = interrupted, "" if interrupted else "its raylet"
        until(lambda: written.statuses)
    assert written.statuses[0] == status
    assert written.times >= 1
