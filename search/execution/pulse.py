"""What a trial and the driver tell each other while it trains: signs of life, images seen, notes, and when to leave.

A process that hangs ends itself (watchdog.py). One that is stopped, or that sleeps in the kernel and takes no signal,
cannot: the driver ends it. Both sides meet in the key-value store of Ray's gcs_server, under the job of the driver.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import RpcError
from ray.experimental.internal_kv import internal_kv_get_gcs_client

from search.execution.watchdog import RESTS

EVERY = 5.0  # seconds between two looks of the driver
LATER = 30.0  # seconds that a hung process has to end itself first, because it says where it hangs
ANSWER = 2.0  # seconds to wait for the store; `search.execution.ending` notices that it is lost
LEAVE, NOTE = "leave", "note"


class TrialSide:
    """What a trial's process shows and sees.

    Attributes:
        is_to_leave: whether the driver asked, when a sign of life was last shown.
        images_seen: how many images the trial has seen.
    """

    def __init__(self, trial: str) -> None:
        self._trial, self.is_to_leave = trial, False
        self.images_seen: Callable[[], int] = lambda: 0

    def show(self, sign: bytes) -> None:
        """Show a sign of life that differs from the last one, or RESTS; images go with the former."""
        _put(self._trial, sign if sign == RESTS else b"%s %d" % (sign, self.images_seen()))
        self.is_to_leave = _get(LEAVE) is not None

    def note(self, line: str) -> None:
        """Let the driver show a line to the user; of a session it shows one."""
        _put(NOTE, line.encode())


class Pulse:
    """The trials that run, for the driver; it ends the process of one without a sign of life."""

    def __init__(
        self,
        limit: float,
        note: Callable[[str], object] = lambda line: None,
        advanced: Callable[[str, int], object] = lambda trial, images: None,
    ) -> None:
        """Record the seconds without a sign of life after which a process is to end itself.

        `note` is called with the first line that a trial has for the user, `advanced` with a trial that trains and the
        images that it has seen.
        """
        self._limit, self._note, self._noted, self._advanced = limit + LATER, note, False, advanced
        self._running: dict[str, tuple[Any, bytes | None, float]] = {}
        """The actor of each trial, its last sign, and when that was first seen"""
        self._looked = 0.0

    @property
    def runs(self) -> bool:
        """Whether any trial runs."""
        return bool(self._running)

    def starts(self, trial: str, actor: Any) -> None:
        """Record that a trial runs in the process of an actor."""
        self._running[trial] = actor, _get(trial), time.monotonic()

    def leaves(self, trial: str) -> None:
        """Record that a trial runs no more."""
        self._running.pop(trial, None)

    def ask_to_leave(self) -> None:
        """Ask all trials to save their checkpoints and leave, those that train within a second."""
        _put(LEAVE, b"")

    def look(self) -> None:
        """End the processes without a sign of life, at most every few seconds; their trials fail."""
        now = time.monotonic()
        if now - self._looked < EVERY:
            return
        self._looked = now
        if not self._noted and (line := _get(NOTE)) is not None:
            self._noted = True
            self._note(line.decode())
        for trial, (actor, before, since) in list(self._running.items()):
            sign = _get(trial)
            if sign != before or sign == RESTS:
                self._running[trial] = actor, sign, now
                if sign is not None and sign != RESTS:
                    self._advanced(trial, int(sign.split()[-1]))
            elif now - since > self._limit:
                self.leaves(trial)
                ray.kill(actor)


def _put(name: str, value: bytes) -> None:
    with suppress(RpcError):
        internal_kv_get_gcs_client().internal_kv_put(_key(name), value, overwrite=True, namespace=None, timeout=ANSWER)


def _get(name: str) -> bytes | None:
    with suppress(RpcError):
        return internal_kv_get_gcs_client().internal_kv_get(_key(name), None, timeout=ANSWER)
    return None


def _key(name: str) -> bytes:
    return f"diffusion-search/{ray.get_runtime_context().get_job_id()}/{name}".encode()
