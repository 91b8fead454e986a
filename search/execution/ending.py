"""The early end of a session, by a signal or because Ray is lost: trials save and leave if Ray answers."""

import gc
import math
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType
from typing import Any, Literal

import ray

from analysis.process import INTERRUPTED, on_stops, write_at_once
from analysis.run.run import Run
from analysis.text.commands import Commands
from search.execution.local import stop_ray
from search.execution.pulse import Pulse
from trainables.domain import UsageError

HostPort = tuple[str, int]

EVERY = 0.5  # seconds between two looks
# Seconds without an answer after which a process of Ray counts as lost. A refused connection says so at once. Ray
# itself ends this process after a minute of silence.
SILENT = 45.0
IN_ORDER = 20.0  # seconds that an end in order may take; then the process ends at once
LOST = 3.0  # the same where Ray is lost, because it may end this process at any time
SAVING = 5.0  # seconds that trials have to save; one that samples or scores has its checkpoint of the last rung
APART = 0.5  # seconds within which a second ctrl-C is ignored: some shells and starters send the first one twice


class Left(BaseException):
    """Ends the session; a BaseException, because Ray Tune waits for its trials at an Exception."""


class Ending:
    """Whether a session is to end early, and why.

    Attributes:
        interrupted: whether a signal asked for it.
        lost: what of Ray is lost, empty while all is there.
    """

    def __init__(
        self,
        write: Callable[[], object],
        by_force: Callable[[int], object] = os._exit,
        trials: Pulse | None = None,
    ) -> None:
        """Begin with a session that goes on.

        `write` writes that the session is interrupted, in a thread of its own; `by_force` ends this process with an
        exit status. `trials` are those that run, which are asked to leave; None where there are none.
        """
        self.interrupted, self.lost = False, ""
        self._write, self._by_force, self._trials = write, by_force, trials
        self._asked = self._until = 0.0

    @property
    def begun(self) -> bool:
        """Whether the session is to end."""
        return self.interrupted or bool(self.lost)

    def status(self) -> Literal["interrupted", "lost"]:
        """Return how a session ended that `Left` ended; where Ray is lost, Python collects no garbage from then on."""
        if self.lost:
            gc.disable()  # objects of Tune tell Ray when they are collected, and wait for it until it ends this process
        return "interrupted" if self.interrupted else "lost"

    def leave(self) -> None:
        """If the session is to end, let trials save their checkpoints for a moment, and raise Left."""
        if not self.begun:
            return
        if not self._until:
            self._until = time.monotonic() + SAVING
            if self._trials is not None:
                # Ray may not answer, because what ended the session has ended it, too.
                threading.Thread(target=self._trials.ask_to_leave, daemon=True).start()
        saves = self._trials is not None and self._trials.runs and not self.lost
        if not saves or time.monotonic() > self._until:
            raise Left

    def begins_soon(self) -> bool:
        """Wait as long as it takes to notice that Ray is lost, and return whether the session is to end."""
        until = time.monotonic() + 3 * EVERY
        while not self.begun and time.monotonic() < until:
            time.sleep(EVERY / 10)
        return self.begun

    @contextmanager
    def watched(self, addresses: Mapping[str, HostPort]) -> Iterator[None]:
        """End the session at a signal, or when a process of Ray at one of these addresses, by name, is lost."""
        over = threading.Event()
        watch = threading.Thread(target=self._watch, args=(addresses, over), daemon=True)
        watch.start()
        try:
            with on_stops(self._interrupt):
                yield
        finally:
            over.set()

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal; a second ctrl-C ends the process at once."""
        now = time.monotonic()
        if not self.interrupted:
            self.interrupted, self._asked = True, now
            write_at_once(2, "\nInterrupted: what was reported is kept. Ctrl-C once more quits at once.\n")
        elif number == signal.SIGINT and now - self._asked > APART:
            self._by_force(INTERRUPTED)

    def _watch(self, addresses: Mapping[str, HostPort], over: threading.Event) -> None:
        listeners = [_Listener(name, address) for name, address in addresses.items()]
        until = math.inf
        while not over.wait(EVERY):
            lost = next((one.name for one in listeners if one.is_lost()), "")
            if self.begun and until == math.inf:
                self._try_to_write()  # at once, because a system that sends SIGTERM often kills soon after
                until = time.monotonic() + IN_ORDER
            if lost and not self.lost:
                self.lost = lost
                until = min(until, time.monotonic() + LOST)
                self._try_to_write()
            if time.monotonic() > until:
                self._by_force(INTERRUPTED if self.interrupted else 1)
                return

    def _try_to_write(self) -> None:
        with suppress(UsageError):  # such as a full disk, which the main thread reports
            self._write()


def ending_of(run: Run, used: Callable[[], dict[str, Any]], trials: Pulse | None = None) -> Ending:
    """Return the ending of a session on a run: it writes the status, and ends the process where Ray hangs.

    `used` returns what is written besides, the time that is used up; `trials` are as `Ending` takes them.
    """
    return Ending(lambda: run.update_settings(status="interrupted", **used()), partial(_quit, run), trials)


def loss_text(run: Run, ending: Ending) -> str:
    """Return a line that says that Ray is lost and how to go on."""
    return f"Ray is lost, {ending.lost} has ended; to go on: {Commands.here(run).resume()}"


def _quit(run: Run, status: int) -> None:
    """End this process, in which Ray hangs."""
    stop_ray(at_once=True)
    why = "" if status == INTERRUPTED else "Ray is lost; what was reported is kept\n"
    write_at_once(1, f"{why}go on                 {Commands.here(run).resume()}\n")
    os._exit(status)


class _Listener:
    """A process of Ray, known by what it listens on."""

    def __init__(self, name: str, address: HostPort) -> None:
        self.name, self._address = name, address
        self._heard, self._refused = time.monotonic(), 0

    def is_lost(self) -> bool:
        """Look, and return whether the process is lost: its machine refuses, twice in a row, or is long silent."""
        error = _error_of(self._address)
        self._refused = self._refused + 1 if isinstance(error, ConnectionRefusedError) else 0
        if error is None:
            self._heard = time.monotonic()
        return self._refused > 1 or time.monotonic() - self._heard > SILENT


def rays_addresses() -> dict[str, HostPort]:
    """Return where the Ray that this process is connected to listens: its control and this machine's part."""
    context = ray.get_runtime_context()
    host, _, port = context.gcs_address.rpartition(":")
    addresses = {"its gcs_server": (host.strip("[]"), int(port))}
    for node in ray.nodes():
        if node["NodeID"] == context.get_node_id():
            addresses["its raylet"] = (node["NodeManagerAddress"], int(node["NodeManagerPort"]))
    return addresses


def _error_of(address: HostPort) -> OSError | None:
    """Return why nobody can be reached at an address, None where someone can."""
    try:
        socket.create_connection(address, timeout=5).close()
    except OSError as error:
        return error
    return None
