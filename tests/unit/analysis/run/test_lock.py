"""One process searches in a run at a time, also on a file system without locks."""

import errno
import fcntl
import os
import platform
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.run.lock import run_lock
from analysis.run.run import Run, RunError
from analysis.run.storage import flock
from tests.helpers.refusals import REFUSING

on_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers of system calls are those of x86-64")

HOLDS = """
import sys, time
from analysis.run.lock import run_lock
from analysis.run.run import Run, RunError

try:
    with run_lock(Run.open(sys.argv[1]), print):
        print("locked", flush=True)
        sys.stdin.readline()
except RunError as error:
    print(error)
"""


def start(run: Run, code: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, str(run.path)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def read(process: subprocess.Popen[str]) -> str:
    return process.stdout.readline()


def test_a_run_is_locked_as_long_as_its_process_lives(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "a")
    process = start(run, HOLDS)
    assert read(process) == "locked\n"
    with pytest.raises(RunError, match="is being searched by another process: wait"), run_lock(run):
        pass
    process.kill()
    process.communicate()
    with run_lock(run):
        assert not run.lock.exists()


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EBADF])
def test_a_file_system_without_locks_is_known_by_its_error(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert not flock(0, fcntl.LOCK_EX)


@on_x86
def test_without_locks_of_the_system_a_file_locks(tmp_path: Path) -> None:
    run, code = Run.create(tmp_path, "a"), f"{REFUSING}\nrefuse()\n{HOLDS}"
    first = start(run, code)
    assert read(first).startswith("this file system has no locks: search.lock in the run's folder")
    assert read(first) == "locked\n"
    said = start(run, code).communicate()[0]
    assert f"is being searched by the process {first.pid} on {socket.gethostname()}: wait until" in said
    first.kill()
    first.communicate()
    assert run.lock.is_file()
    second = start(run, code)  # takes over what a killed process left
    assert [read(second)[:4], read(second)] == ["this", "locked\n"]
    second.communicate("\n")
    assert not run.lock.exists()


@on_x86
def test_what_another_machine_left_is_named(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "a")
    run.lock.write_text(f"{os.getpid()} on another-machine\n")
    said = start(run, f"{REFUSING}\nrefuse()\n{HOLDS}").communicate()[0]
    assert f"on another-machine: wait until it has ended, or remove {run.lock} if it has\n" in said
