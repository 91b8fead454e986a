"""The command-line parser of the commands in this package."""

import argparse
from typing import Any, NoReturn

from analysis.text.words import printable

AT_HELP = (
    "what trials are compared at: images seen, or seconds of training, by default images; the seconds are, for each "
    "rung, those of the fastest trial that passed it"
)


class Parser(argparse.ArgumentParser):
    """A parser whose description keeps its lines, and whose usage errors are one line, with exit status 2."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message: str) -> NoReturn:
        """Print the line and exit."""
        self.exit(2, printable(f"{self.prog}: {message}\n"))
