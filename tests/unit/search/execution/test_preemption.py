"""A machine that is taken back with notice: EC2's word is heard, and a trial leaves with all that it has done."""

import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from search.execution.preemption import announced
from search.execution.stopping import Stopping
from search.schedulers import Scheduler
from search.study.tries import MAX_FAILURES, Tries
from tests.cluster.metadata import make_server
from trainables.trial import PREEMPTED


def test_ec2_is_understood(tmp_path: Path) -> None:
    server = make_server("127.0.0.1", 0, tmp_path)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        assert not announced(address)
        (tmp_path / "127.0.0.1").touch()
        assert announced(address)
    finally:
        server.shutdown()
        server.server_close()
    assert not announced(address)


@pytest.mark.parametrize("failures", range(MAX_FAILURES + 1))
def test_a_machine_taken_back_costs_a_trial_none_of_its_tries(failures: int, tmp_path: Path) -> None:
    tries, error = Tries(), tmp_path / "error.txt"
    stopping = Stopping(Scheduler((100,), 3), lambda seconds: True, tries)
    trial = SimpleNamespace(config={"number": 3}, error_file=str(error))

    def fail(last: str) -> bool:
        """As Ray Tune has it: the scheduler hears of it first, then the searcher, which counts."""
        error.write_text(f"Traceback (most recent call last):\n  ...\n{last}\n")
        stopping.on_trial_error(None, trial)  # type: ignore[arg-type]
        return tries.fails(3)

    assert all(fail("ValueError: no") for _ in range(failures))
    for _ in range(10 * MAX_FAILURES):
        assert fail(f"trainables.trial.Preempted: {PREEMPTED}")
    assert all(fail("ValueError: no") for _ in range(MAX_FAILURES - failures))
    assert not fail("ValueError: no")
    assert not tries.has_more(3)
    assert tries.has_more(4)
