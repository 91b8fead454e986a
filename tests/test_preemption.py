"""A machine that is taken back with notice: EC2's word is heard, and a trial leaves with all that it has done."""

import threading
from pathlib import Path

from search.preemption import announced
from search.tries import MAX_FAILURES, Tries
from tests.cluster.metadata import make_server


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


def test_a_machine_taken_back_costs_a_trial_none_of_its_tries() -> None:
    tries = Tries()
    for _ in range(10 * MAX_FAILURES):
        assert tries.fails(3)
        tries.forgive(3)
    assert [tries.fails(3) for _ in range(MAX_FAILURES + 1)] == [True] * MAX_FAILURES + [False]
    assert not tries.has_more(3)
    assert tries.has_more(4)
