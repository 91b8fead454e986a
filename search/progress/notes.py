"""The lines that a command says while it runs, each with the time since the command began."""

import textwrap

from rich.console import Console

from analysis.text.words import printable
from search.progress.budget import Budget, as_clock

CLOCK = 7  # characters, as many as "1:00:00"


class Notes:
    """Says lines on a console, none if `quiet`; a line that is too wide for the console goes on below itself."""

    def __init__(self, budget: Budget, console: Console, quiet: bool = False) -> None:
        self.budget, self.console, self.quiet = budget, console, quiet

    def say(self, text: str) -> None:
        """Say a line now."""
        if not self.quiet:
            lines = folded(printable(text), self.budget.elapsed(), self.console.width)
            self.console.print(lines, markup=False, highlight=False, soft_wrap=True)


def folded(text: str, seconds: float, width: int) -> str:
    """Return a text after its time, folded to a width at its spaces."""
    margin = f"{as_clock(seconds):>{CLOCK}}  "
    return textwrap.fill(
        text,
        width,
        initial_indent=margin,
        subsequent_indent=" " * len(margin),
        break_long_words=False,
        break_on_hyphens=False,
    )
