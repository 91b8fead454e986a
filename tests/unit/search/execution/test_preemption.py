"""A machine that is taken back with notice: EC2's word is heard, and a trial leaves with all that it has done."""

import threading
from pathlib import Path

from search.execution.preemption import announced
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
