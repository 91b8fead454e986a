"""Ends a process that hangs, wherever it does, so that its trial can be tried again."""

from __future__ import annotations

import faulthandler
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

# Seconds; faulthandler starts a thread at each call, and a limit is minutes.
EVERY = 1.0


class Watchdog:
    """Ends this process, with a traceback of all its threads, once nothing has shown for `limit` seconds that it lives.

    It is a thread of faulthandler's, which needs neither the interpreter nor its lock: code that hangs in a library or
    on a device is ended, too. There is one for a process.
    """

    def __init__(self, limit: float) -> None:
        """Count nothing yet."""
        self._limit, self._shown = limit, 0.0

    def start(self) -> None:
        """Begin to count, or begin again."""
        self._shown = time.monotonic()
        faulthandler.dump_traceback_later(self._limit, exit=True, file=2)

    def stop(self) -> None:
        """Let the process be, until the next start."""
        faulthandler.cancel_dump_traceback_later()

    def watch(self, network: nn.Module) -> None:
        """Take each call of a network as a sign of life; those of a recorded graph do not show."""
        network.register_forward_pre_hook(lambda *_: self.alive())

    def alive(self) -> None:
        """Take this call as a sign of life."""
        if time.monotonic() - self._shown >= EVERY:
            self.start()
