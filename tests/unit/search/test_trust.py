"""Whose code is executed: a file that the command line names, and what this user executed before."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.run.run import Run, RunError
from analysis.run.user_files import read_code, write_code
from search.declaration import SettingsError
from search.machine import Machine
from search.settings import Settings
from search.trust import code_of, kept_code, open_trusted, remember
from trainables.networks import NETWORKS
from trainables.parts import uninstall
from trainables.user_code import UserCode

MACHINE = Machine(cpus=2, gpus=0)
TEXT = """
from trainables.networks import CNN, NETWORKS
from dataclasses import dataclass

open("executed", "w").close()


@dataclass(frozen=True)
class Mine(CNN):
    pass


NETWORKS["mine"] = Mine
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """A run with a network of its own, in a folder where nothing is trusted yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_space.py").write_text(TEXT)
    code = UserCode.read(tmp_path / "my_space.py")
    run = Run.create(tmp_path / "runs", "mine")
    write_code(run, code, ["network/mine"])
    run.update_settings(settings=Settings.resolve({}, str(tmp_path / "my_space.py"), "0" * 64, MACHINE).saved())
    (tmp_path / "my_space.py").unlink()
    yield run
    uninstall()


def test_the_code_that_a_run_keeps_is_the_same_code(run: Run, tmp_path: Path) -> None:
    (tmp_path / "my_space.py").write_text(TEXT)
    kept, original = read_code(run), UserCode.read(tmp_path / "my_space.py")
    assert kept.texts == original.texts
    assert kept.digest == original.digest


def test_code_of_somebody_else_is_not_executed(run: Run) -> None:
    with pytest.raises(SettingsError, match=r"would execute .*/runs/mine/code/my_space.py, .* give --trust if it may"):
        open_trusted(run.uri, trusts=False)
    assert not Path("executed").exists()
    assert "mine" not in NETWORKS


def test_it_is_where_the_command_line_says_so_and_from_then_on(run: Run) -> None:
    open_trusted(run.uri, trusts=True)
    assert "mine" in NETWORKS
    assert Path("executed").exists()
    uninstall()
    open_trusted(run.uri, trusts=False)
    assert "mine" in NETWORKS


def test_ones_own_code_goes_on_without_a_question_until_it_is_changed(run: Run) -> None:
    code = read_code(run)
    remember(code)
    assert code_of(run, trusts=False) == code
    (run.code_folder / "my_space.py").write_text(TEXT + "# changed")
    with pytest.raises(SettingsError, match="give --trust"):
        code_of(run, trusts=False)


def test_what_another_user_noted_is_not_trusted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    code = read_code(run)
    remember(code)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(SettingsError, match="give --trust"):
        code_of(run, trusts=False)


def test_where_a_run_defines_no_parts_nothing_is_executed(run: Run) -> None:
    code = read_code(run)
    write_code(run, code, [])
    open_trusted(run.uri, trusts=True)
    assert not Path("executed").exists()


def test_a_run_that_kept_no_copy_is_asked_about_the_file_it_names(run: Run, tmp_path: Path) -> None:
    run.write_settings({"settings": run.settings()["settings"]})
    (tmp_path / "my_space.py").write_text(TEXT)
    with pytest.raises(SettingsError, match=r"would execute .*/my_space.py, "):
        code_of(run, trusts=False)
    assert code_of(run, trusts=True) == UserCode.read(tmp_path / "my_space.py")


def test_a_copy_that_lacks_a_file_is_one_line(run: Run) -> None:
    (run.code_folder / "my_space.py").unlink()
    with pytest.raises(RunError, match="code lacks a file: bring it back from a copy"):
        read_code(run)


@pytest.mark.parametrize("name", ["../search.json", "/etc/hostname"])
def test_a_run_names_no_code_outside_its_folder(name: str, run: Run) -> None:
    run.update_settings(code={"files": [name], "parts": []})
    with pytest.raises(RunError, match="names code outside"):
        read_code(run)


def test_a_search_that_repeats_a_run_takes_the_runs_copy(run: Run, tmp_path: Path) -> None:
    repeats = {"space": str(tmp_path / "my_space.py"), "repeats": str(run.path)}
    with pytest.raises(SettingsError, match="give --trust"):
        kept_code(repeats)
    assert kept_code({**repeats, "trust": True}) == read_code(run)
    assert kept_code({"space": "my_space.py"}) is None
    assert kept_code({"space": "samplers", "trained": (str(run.path), "000")}) == read_code(run)


def test_a_search_json_apart_from_its_run_is_asked_about_the_file_it_names(run: Run, tmp_path: Path) -> None:
    (tmp_path / "my_space.py").write_text(TEXT.replace("Mine", "Other"))
    with pytest.raises(SettingsError, match="give --trust"):
        kept_code({"space": str(tmp_path / "my_space.py"), "repeats": str(tmp_path)})
