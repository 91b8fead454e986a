"""The command-line parser of the commands in this package."""

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

from analysis.run.log import RunError
from analysis.text.words import printable

AT_HELP = (
    "what trials are compared at: images seen, or seconds of training, by default images; the seconds are, for each "
    "rung, those of the fastest trial that passed it"
)


class Parser(argparse.ArgumentParser):
    """A parser whose usage errors are one line, with exit status 2."""

    def error(self, message: str) -> NoReturn:
        """Print the line and exit."""
        self.exit(2, printable(f"{self.prog}: {message}\n"))

    def carry_out(self, work: Callable[[], None]) -> int:
        """Do the work and return the exit status: 0, or 2 and one line for a run that cannot be read or written."""
        try:
            work()
        except RunError as error:
            print(printable(f"{self.prog}: {error}"), file=sys.stderr)
            return 2
        return 0
