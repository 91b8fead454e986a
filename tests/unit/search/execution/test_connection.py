"""What a connection that is refused says: nothing but its error."""

import os

import pytest

from search.execution.connection import stderr_kept


def test_what_is_written_to_stderr_is_kept_where_it_fails_and_shown_where_it_does_not(
    capfd: pytest.CaptureFixture[str],
) -> None:
    said: list[str] = []
    with pytest.raises(ConnectionError), stderr_kept(said):
        os.write(2, b"a warning of C++\n")
        raise ConnectionError
    assert said == ["a warning of C++\n"]
    assert capfd.readouterr().err == ""
    with stderr_kept(said):
        os.write(2, b"another\n")
    assert len(said) == 1
    assert capfd.readouterr().err == "another\n"
