"""Commands that run on hosts of the laboratory, and waiting for what they bring about."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def wait_for(condition: Callable[[], T], what: str, seconds: float = 60, pause: float = 0.1) -> T:
    """Return what `condition` returns once that is true, asked every `pause` seconds; raise TimeoutError in the end."""
    end = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(pause)
    return result


class Command:
    """A command of a host that was started, and the file of this machine that holds what it prints."""

    def __init__(self, command: list[str], output: Path) -> None:
        self.output = output
        self._head = output.stat().st_size
        with output.open("ab") as file:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)

    @property
    def returncode(self) -> int | None:
        """The exit status, None while it runs."""
        return self._process.poll()

    def wait(self) -> int:
        """Wait for its end and return the exit status."""
        return self._process.wait()

    def printed(self) -> str:
        """Return what it has printed so far, errors too."""
        return self.output.read_bytes()[self._head :].decode(errors="replace")
