"""The place of the user's cache: in a home of the user's own, or else beside temporary files."""

import os
import tempfile
from pathlib import Path

import pytest

from trainables.data.cache import cache_dir, write_whole


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)


def test_it_is_in_the_home_even_if_that_is_still_to_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for home in (tmp_path, tmp_path / "new" / "home"):
        monkeypatch.setenv("HOME", str(home))
        assert cache_dir() == home / ".cache" / "diffusion-search"
        write_whole(cache_dir() / "a" / "file", b"content")
        assert (cache_dir() / "a" / "file").read_bytes() == b"content"


def test_it_is_beside_temporary_files_where_nothing_can_be_made_in_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file" / "home"))
    assert cache_dir() == Path(tempfile.gettempdir()) / f"diffusion-search-{os.getuid()}"
