"""A command as a process: its arguments, its output, what interrupts it, its exit status."""

import argparse
import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

from analysis.text.words import printable
from trainables.domain import UsageError

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What ctrl-C sends, what a scheduler or a shutdown sends, and what a terminal that is closed sends."""
INTERRUPTED = 130  # exit status
AT_HELP = (
    "what trials are compared at: images seen, or seconds of training, by default images; the seconds are, for each "
    "rung, those of the fastest trial that passed it"
)

Handler = Callable[[int, FrameType | None], object]


class Parser(argparse.ArgumentParser):
    """A parser whose description keeps its lines, and whose usage errors are one line, with exit status 2."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message: str) -> NoReturn:
        """Print the line and exit."""
        self.exit(2, printable(f"{self.prog}: {message}\n"))


def carry_out(command: str, work: Callable[[], int]) -> int:
    """Do the work of a command; return its exit status, 2 for a usage error, 130 if interrupted, 1 without its output.

    A signal ends the command at once, and without a traceback out of an import; `interruptible` says otherwise where
    there is something to lose.
    """
    output = _guarded()

    def quit_at_once(number: int, frame: FrameType | None) -> None:
        write_at_once(2, f"\n{command}: interrupted\n")
        os._exit(INTERRUPTED)

    with on_stops(quit_at_once):
        try:
            status = work()
        except UsageError as error:
            print(printable(f"{command}: {error}"), file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print(f"\n{command}: interrupted", file=sys.stderr)
            return INTERRUPTED
        if output is None:
            return status
        sys.stdout.flush()
        if output.error is None or output.error.errno == errno.EPIPE:  # whoever reads has read enough
            return status
        print(f"{command}: the output could not be written, {output.error.strerror}", file=sys.stderr)
        return status or 1


def write_at_once(number: int, text: str) -> None:
    """Write to the standard output, 1, or error, 2, from a signal handler or a thread, where print might be at work."""
    with suppress(OSError):  # the terminal may be gone
        os.write(number, text.encode())


def leave(status: int) -> NoReturn:
    """End this process at once, with what was printed."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


@contextmanager
def on_stops(handler: Handler) -> Iterator[None]:
    """Let the signals that stop a command call a handler; those that are ignored, as by nohup, stay so.

    Outside the main thread, as in a notebook's, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in STOPS}
    mine = {number: old for number, old in before.items() if old not in (signal.SIG_IGN, None)}
    for number in mine:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in mine.items():
            signal.signal(number, old)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let the signals that stop a command raise KeyboardInterrupt."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with on_stops(interrupt):
        yield


class _Output(io.FileIO):
    """A file that is written to as long as that is possible.

    Attributes:
        error: why nothing is written any more; None while it is.
    """

    error: OSError | None = None

    def write(self, data: object) -> int:
        """Write, or after the first error do nothing: no work is lost because nobody reads."""
        if self.error is None:
            try:
                return super().write(data)  # type: ignore[arg-type]
            except OSError as error:
                self.error = error
        return memoryview(data).nbytes  # type: ignore[arg-type]


def _guarded() -> _Output | None:
    """Replace the standard streams by ones that never fail; return what the standard output writes to.

    A character that the terminal's encoding does not have becomes a question mark. Streams that are not the process's
    own, as in a test or a notebook, stay.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # it was closed before the command began
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    outputs = {}
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is not getattr(sys, f"__{name}__"):
            continue
        stream.flush()
        outputs[name] = _Output(number, "wb", closefd=False)
        text = io.TextIOWrapper(
            io.BufferedWriter(outputs[name]), stream.encoding, "replace", line_buffering=stream.line_buffering
        )
        setattr(sys, name, text)
    return outputs.get("stdout")
