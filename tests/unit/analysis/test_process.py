"""How a command ends, whatever becomes of its output and whoever interrupts it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

BEGIN = """
import os, signal, sys, time
from pathlib import Path
from analysis.process import carry_out, interruptible, on_stops
from trainables.domain import UsageError

"""


def start(code: str, stdout: int = subprocess.PIPE, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BEGIN + code],
        env={**os.environ, **variables},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )


def test_an_error_of_the_user_is_a_line_and_status_2() -> None:
    process = start("def work():\n    raise UsageError('give more')\nsys.exit(carry_out('x.py', work))")
    assert process.communicate() == ("", "x.py: give more\n")
    assert process.returncode == 2


LONG = """
def work():
    for _ in range(100_000):
        print("a line that nobody reads")
    Path("done").touch()
    return 0

sys.exit(carry_out("x.py", work))
"""


def test_whoever_reads_the_output_may_stop_and_the_work_is_done(tmp_path: Path) -> None:
    process = start(f"os.chdir({str(tmp_path)!r})" + LONG)
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 0
    assert (tmp_path / "done").exists()


def test_on_a_full_disk_the_work_is_done_and_the_loss_of_the_output_said(tmp_path: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    process = start(f"os.chdir({str(tmp_path)!r})" + LONG, full)
    os.close(full)
    _, said = process.communicate()
    assert (process.returncode, said) == (1, "x.py: the output could not be written, No space left on device\n")
    assert (tmp_path / "done").exists()


def test_without_any_output_the_work_is_done(tmp_path: Path) -> None:
    code = f"os.chdir({str(tmp_path)!r})" + LONG
    ended = subprocess.run(["sh", "-c", 'exec "$0" -c "$1" >&- 2>&-', sys.executable, BEGIN + code], check=False)
    assert ended.returncode == 0
    assert (tmp_path / "done").exists()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_a_terminal_cannot_show_is_a_question_mark(encoding: str) -> None:
    process = start("sys.exit(carry_out('x.py', lambda: print('FMD 1 ± 2 ≈ 3') or 0))", PYTHONIOENCODING=encoding)
    said, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    assert said.startswith("FMD 1 ")
    assert said.isascii() == (encoding == "ascii")


WAITS = """
def work():
    print("began", flush=True)
    time.sleep(100)
    return 0

sys.exit(carry_out("x.py", work))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_command_with_one_line(number: signal.Signals) -> None:
    process = start(WAITS)
    process.stdout.readline()
    process.send_signal(number)
    assert process.communicate()[1] == "\nx.py: interrupted\n"
    assert process.returncode == 130


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_where_there_is_something_to_lose_it_is_an_exception(number: signal.Signals) -> None:
    code = """
def work():
    try:
        with interruptible():
            print("began", flush=True)
            time.sleep(100)
    except KeyboardInterrupt:
        print("saved")
        return 130

sys.exit(carry_out("x.py", work))
"""
    process = start(code)
    process.stdout.readline()
    process.send_signal(number)
    said, errors = process.communicate()
    assert said.endswith("saved\n")
    assert errors == ""
    assert process.returncode == 130


def test_what_nohup_ignores_stays_ignored() -> None:
    code = """
signal.signal(signal.SIGHUP, signal.SIG_IGN)
sys.exit(carry_out("x.py", lambda: os.kill(os.getpid(), signal.SIGHUP) or 0))
"""
    process = start(code)
    assert process.communicate() == ("", "")
    assert process.returncode == 0
