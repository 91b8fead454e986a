"""The place of the user's cache: in a home of the user's own, or else beside temporary files."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

from trainables.data.cache import cache_dir, cache_file, cached, write_whole


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


@pytest.mark.parametrize("damage", ["empty", "no zip", "half", "other arrays"])
def test_arrays_are_made_once_for_a_key_and_again_where_their_file_is_damaged(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made: list[int] = []

    def make() -> dict[str, object]:
        made.append(len(made))
        return {"numbers": np.arange(3), "count": len(made)}

    def counted(*key: object) -> int:
        numbers, count = cached("things", key, ["numbers", "count"], make)
        assert numbers.tolist() == [0, 1, 2]
        return int(count.item())

    assert [counted("a", 1), counted("a", 1), counted("a", 2), counted("a", 1)] == [1, 1, 2, 1]
    file = cache_file("things", ["a", 1])
    whole = file.read_bytes()
    other = cache_file("things", ["other"])
    cached("things", ["other"], ["numbers"], lambda: {"numbers": np.arange(3)})
    file.write_bytes(
        {"empty": b"", "no zip": b"PK no zip", "half": whole[: len(whole) // 2], "other arrays": other.read_bytes()}[
            damage
        ]
    )
    assert [counted("a", 1), counted("a", 1)] == [3, 3]
    assert len(file.read_bytes()) == len(whole)


def test_arrays_are_made_each_time_where_nothing_can_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (cache_dir() / "things").parent.mkdir(parents=True, exist_ok=True)
    (cache_dir() / "things").write_text("no folder")
    said: list[str] = []
    found = [cached("things", ["a"], ["x"], lambda: {"x": np.ones(2)}, said.append)[0].tolist() for _ in range(2)]
    assert found == [[1, 1], [1, 1]]
    assert len(said) == 2
    assert all(line.startswith("the things cannot be kept for the next time: ") for line in said)
