"""A Ray of our own on this machine, for this process alone: nobody else reaches it, and nothing of it is left."""

import fcntl
import os
import secrets
import shlex
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import ray

from analysis.run.storage import flock
from search.execution.connection import connect, own_node
from search.machine import Machine, MachineError
from trainables.data.cache import temporary_dir

START_ATTEMPTS = 2
PREFIX = "search-"
MARK = "diffusion-search"  # a file in each of these folders: no other folder is removed
YOUNG = 60.0  # seconds; a younger folder may not be locked yet by the process that made it
# Ray's longest name of a socket below its folder: the kernel takes 107 bytes for all of a socket's path.
SOCKET = "session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store"
# The logs in which a process that cannot begin says why.
COMPLAINTS = ("worker-*.err", "worker-*.out", "raylet.err", "gcs_server.err")


@contextmanager
def ray_here(machine: Machine, data_bytes: int) -> Iterator[None]:
    """Start Ray; in the end stop it and remove its folder. `data_bytes` is what trials share.

    Raises:
        MachineError: Ray does not start.
    """
    folder, held = _folder()
    try:
        _start(machine, data_bytes, folder)
        yield
    finally:
        stop_ray()
        _remove(folder)
        os.close(held)


def stop_ray(*, at_once: bool = False) -> None:
    """Stop the Ray that this process started, if it did; `at_once` kills its processes without a shutdown.

    There is no shutdown either if one of its processes has ended: the others would not answer, and end this process.
    """
    node = own_node()
    if node is None:
        return
    processes = [info.process for infos in node.all_processes.values() for info in infos]
    numbers = descendants([process.pid for process in processes])
    for process in processes:
        process.terminate = process.kill  # a signal that they do not take would be waited for
    if not (at_once or any(process.poll() is not None for process in processes)):
        ray.shutdown(wait_for_processes=True)
    for number in numbers:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    if at_once:
        _remove(Path(node.temp_dir))


def last_complaint(folder: Path) -> str:
    """Return the last line that a process of the Ray in `folder` wrote before it ended; empty where none did."""
    logs = [log for pattern in COMPLAINTS for log in folder.glob(f"session_2*/logs/{pattern}")]
    for log in sorted(logs, key=lambda path: path.stat().st_mtime, reverse=True):
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        if lines:
            return lines[-1].strip()
    return ""


def descendants(processes: list[int]) -> list[int]:
    """Return these processes and those that they started, by number."""
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(status.parent.name))
    found = list(processes)
    for number in found:  # which grows
        found += children.get(number, [])
    return found


def _start(machine: Machine, data_bytes: int, folder: Path) -> None:
    """Start Ray in a folder, silent.

    Ray >= 2.59 turns its token authentication on by default and would write a token into the user's home, which later
    changes how `ray start` behaves there. A random token in the environment keeps the protection and leaves no file.
    """
    if "RAY_AUTH_TOKEN_PATH" not in os.environ:
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    # Ray starts idle workers ahead of need; Tune's trials, which have an environment of their own, never use them.
    os.environ |= {"RAY_prestart_worker_first_driver": "0"}
    os.environ.pop("RAY_GCS_SERVER_PORT", None)  # the port of a cluster, at which a Ray on this machine may listen
    for _ in range(START_ATTEMPTS):
        # Ray's processes inherit what is blocked here, so that signals to all processes end a search in order. Ray
        # itself does so for SIGINT.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGHUP})
        try:
            return connect(
                # Ray puts the path of Python into a command without quotes.
                {"py_executable": shlex.quote(sys.executable)},
                address="local",
                num_cpus=machine.cpus,
                num_gpus=machine.gpus,
                # Search, race and test each send the data set and a reference; the rest is a few numbers.
                object_store_memory=3 * data_bytes + 200 * 2**20,
                include_dashboard=False,
                _temp_dir=str(folder),  # Ray's only option for it
            )
        except Exception as error:  # Ray raises nothing narrower
            stop_ray()
            if "timed out during startup" not in str(error):
                said = last_complaint(folder) or (str(error).splitlines() or [type(error).__name__])[0]
                raise MachineError(f"Ray did not start: {said}") from None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    raise MachineError(
        "Ray did not start, twice within 30 seconds: the machine is too busy; try again when it is less so"
    )


def _folder() -> tuple[Path, int]:
    """Return a new folder for Ray, and its descriptor, which locks it as long as this process lives.

    The folder that Ray takes by itself may belong to another user, and in a longer path there is no room for sockets.

    Raises:
        MachineError: there is no place for it.
    """
    asked = os.environ.get("RAY_TMPDIR") or str(temporary_dir())
    for root in (asked, "/tmp", "/var/tmp", "/dev/shm"):
        with suppress(OSError):
            folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
            try:
                _require_sockets(folder)
            except OSError:
                folder.rmdir()
                continue
            (folder / MARK).touch()
            _remove_abandoned(folder)
            return folder, _lock(folder)
    right = "give a short path to a folder of yours on a disk of this machine as RAY_TMPDIR"
    raise MachineError(f"Ray has no place for its sockets in {asked}, /tmp, /var/tmp or /dev/shm: {right}")


def _require_sockets(folder: Path) -> None:
    """Raise OSError where a folder does not take sockets, or where their paths would be too long."""
    path = folder / ("s" * len(SOCKET))
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))
    path.unlink()


def _lock(folder: Path) -> int:
    descriptor = os.open(folder, os.O_RDONLY)
    flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def _remove_abandoned(folder: Path) -> None:
    """Remove the folders of processes that were killed, of this user and beside this one."""
    for other in folder.parent.glob(f"{PREFIX}????????"):
        with suppress(OSError):
            found = other.stat()
            if other == folder or found.st_uid != os.getuid() or time.time() - found.st_mtime < YOUNG:
                continue
            if not (other / MARK).is_file():  # a folder of the user's own may have such a name
                continue
            descriptor = os.open(other, os.O_RDONLY)
            try:
                if flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB):
                    shutil.rmtree(other, ignore_errors=True)
            finally:
                os.close(descriptor)


def _remove(folder: Path) -> None:
    """Remove a folder in which processes that are about to end may still write."""
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)
