"""The lines that a command says: each begins with the time, none is wider than the console."""

import io
import re

import pytest
from rich.console import Console

from search.progress.budget import Budget
from search.progress.notes import Notes, folded

LINE = "search done: best 012-gaussian FMD 21.6; now the best 3 are trained again with fresh seeds, about 4:40 left"


def test_a_wide_line_goes_on_below_itself() -> None:
    first, second = folded(LINE, 250, 80).splitlines()
    assert first.startswith("   4:10  search done: best 012-gaussian FMD 21.6;")
    assert second.startswith(" " * 9 + "again with fresh seeds")
    assert len(first) <= 80


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_word_is_lost_or_broken_and_gaps_within_a_line_stay(width: int) -> None:
    assert " ".join(folded(LINE, 3_700, width).split()) == f"1:01:40 {LINE}"
    assert folded("a    b", 0, width) == "   0:00  a    b"


@pytest.mark.parametrize("quiet", [False, True])
def test_a_line_is_said_with_the_time_of_the_whole_command_or_not_at_all(quiet: bool) -> None:
    file = io.StringIO()
    Notes(Budget(600.0, earlier=65.0), Console(file=file, width=80), quiet).say("[bold] is no markup")
    expected = "" if quiet else r"   1:0[56]  \[bold\] is no markup\n"
    assert re.fullmatch(expected, file.getvalue())
