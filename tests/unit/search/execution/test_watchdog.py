"""A process that hangs is ended and says where; one that works is left alone, however long it takes."""

import subprocess
import sys

import pytest

BEGIN = """
import time, torch
from search.execution import watchdog
watchdog.EVERY = 0.01
dog, network = watchdog.Watchdog(LIMIT, lambda sign: None), torch.nn.Linear(2, 2)
network(torch.zeros(2))  # the first call takes torch a while
dog.watch(network)
dog.start()
"""
HANGS = {
    "in Python": "while True: pass",
    "in the system": "time.sleep(1000)",
    "in a library that holds the interpreter's lock": "import ctypes; ctypes.PyDLL(None).sleep(1000)",
}


def run(code: str, limit: float) -> subprocess.CompletedProcess[str]:
    """Run code that a watchdog looks at, which ends it after so many seconds without a sign."""
    program = BEGIN.replace("LIMIT", str(limit)) + code
    return subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, text=True, timeout=200)


@pytest.mark.parametrize("where", HANGS)
def test_a_process_that_hangs_is_ended_with_a_traceback(where: str) -> None:
    ended = run(f"def stuck():\n    {HANGS[where]}\n\nnetwork(torch.zeros(2))\nstuck()", limit=1.0)
    assert ended.returncode == 1
    assert "Timeout" in ended.stderr
    assert "in stuck" in ended.stderr


def test_a_process_that_works_longer_than_the_limit_or_waits_while_nobody_watches_is_let_be() -> None:
    work = (
        "end = time.monotonic() + 3\nwhile time.monotonic() < end:\n    network(torch.zeros(2))\n    time.sleep(0.05)\n"
    )
    ended = run(work + "dog.stop()\ntime.sleep(3)\nprint('done')", limit=2.0)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")
