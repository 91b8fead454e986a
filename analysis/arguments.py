"""What the command lines of this folder share."""

import argparse
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """A parser whose usage errors are one line, with exit status 2."""

    def error(self, message: str) -> NoReturn:
        """Print the line and exit."""
        self.exit(2, f"{self.prog}: {message}\n")
