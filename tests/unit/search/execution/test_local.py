"""The folder of a Ray of our own: there is room for its sockets in it, and none is left behind."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from search.execution import local
from search.execution.local import MARK, PREFIX, SOCKET, _folder, _remove_abandoned
from search.machine import MachineError

LONG = "a_folder_of_a_job/" * 8


def test_rays_folder_is_where_it_is_asked_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", short := tempfile.mkdtemp(dir="/tmp"))
    folder, held = _folder()
    assert folder.parent == Path(short)
    os.close(held)
    local._remove(folder)
    Path(short).rmdir()


def nothing_there(tmp_path: Path) -> str:
    return str(tmp_path / "nothing")


def a_file(tmp_path: Path) -> str:
    (tmp_path / "file").touch()
    return str(tmp_path / "file")


def too_long(tmp_path: Path) -> str:
    (tmp_path / LONG).mkdir(parents=True)
    return str(tmp_path / LONG)


@pytest.mark.parametrize("place", [nothing_there, a_file, too_long])
def test_where_ray_has_no_room_it_goes_elsewhere_and_leaves_nothing(
    place: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", place(tmp_path))  # type: ignore[operator]
    before = sorted(tmp_path.rglob("*"))
    folder, held = _folder()
    assert sorted(tmp_path.rglob("*")) == before
    assert len(os.fsencode(folder / SOCKET)) <= 107
    os.close(held)
    local._remove(folder)
    assert not folder.exists()


def test_without_any_place_the_error_is_one_line_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", too_long(tmp_path))
    monkeypatch.setattr(local, "SOCKET", "s" * 107)
    with pytest.raises(
        MachineError, match=r"^Ray has no place for its sockets in .*: give a short path .* RAY_TMPDIR$"
    ):
        _folder()


def test_the_folder_of_a_process_that_was_killed_is_removed_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "YOUNG", 0.0)
    own, abandoned, other = (tmp_path / f"{PREFIX}{name}" for name in ("aaaaaaaa", "bbbbbbbb", "20251201"))
    for folder in (own, abandoned, other):
        (folder / "session").mkdir(parents=True)
    for folder in (own, abandoned):  # `other` is a folder of the user's own that has such a name
        (folder / MARK).touch()
    holds = f"""
import time
from pathlib import Path
from search.execution.local import _lock
_lock(Path({str(abandoned)!r}))
print("locked", flush=True)
time.sleep(1000)
"""
    process = subprocess.Popen([sys.executable, "-c", holds], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "locked\n"
    _remove_abandoned(own)
    assert abandoned.exists()
    process.kill()
    process.communicate()
    _remove_abandoned(own)
    assert (own.exists(), abandoned.exists(), other.exists()) == (True, False, True)
