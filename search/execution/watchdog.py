"""A watchdog that ends a process that hangs, so that its trial can be tried again."""

import faulthandler
import time
from collections.abc import Callable

from torch import nn

# Seconds; faulthandler starts a thread at each call, and a limit is minutes.
EVERY = 1.0
RESTS = b"rests"


class Watchdog:
    """Ends this process, with a traceback of all threads, after `limit` seconds without a sign of life.

    A thread of faulthandler counts. It needs neither the interpreter nor its lock, so it also ends code that hangs in a
    library or on a device. A process has at most one. Each sign is passed on to `show`, for a watcher outside this
    process, and RESTS when counting stops.
    """

    def __init__(self, limit: float, show: Callable[[bytes], None]) -> None:
        self._limit, self._show, self._shown = limit, show, 0.0

    def start(self) -> None:
        """Count from zero."""
        self._shown = time.monotonic()
        faulthandler.dump_traceback_later(self._limit, exit=True, file=2)
        self._show(str(self._shown).encode())

    def stop(self) -> None:
        """Stop counting."""
        faulthandler.cancel_dump_traceback_later()
        self._show(RESTS)

    def watch(self, network: nn.Module) -> None:
        """Take each call of a network as a sign of life; calls in a recorded graph do not count."""
        network.register_forward_pre_hook(lambda *_: self.alive())

    def alive(self) -> None:
        """Take this call as a sign of life."""
        if time.monotonic() - self._shown >= EVERY:
            self.start()
