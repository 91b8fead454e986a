"""What tests of commands share: how a command refuses what it is given."""

from collections.abc import Callable, Sequence

import pytest


def refusal(main: Callable[[list[str]], int], arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line by which a command refuses its arguments, with status 2 and no output."""
    capsys.readouterr()
    assert main(list(arguments)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err
