"""What a connection that is refused says: nothing but its error."""

import os

import pytest

from search.execution.connection import stderr_kept


def write(said: list[str], error: type[Exception] | None = None) -> None:
    """Write to stderr as C++ does, past Python's own, and fail if that is asked for."""
    with stderr_kept(said):
        os.write(2, b"a warning of C++\n")
        if error is not None:
            raise error


def test_what_is_written_to_stderr_is_kept_where_it_fails_and_shown_where_it_does_not(
    capfd: pytest.CaptureFixture[str],
) -> None:
    said: list[str] = []
    with pytest.raises(ConnectionError):
        write(said, ConnectionError)
    assert said == ["a warning of C++\n"]
    assert capfd.readouterr().err == ""
    write(said)
    assert len(said) == 1
    assert capfd.readouterr().err == "a warning of C++\n"
