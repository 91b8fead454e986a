"""What a run says at its end: its ranking, where its results are, how to go on, and the exit status."""

import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from analysis.run.run import Run
from analysis.text.commands import Commands
from search.machine import Machine
from search.settings import Settings
from search.summary import close
from tests.helpers import fake_runs

SETTINGS = Settings.resolve({"name": "run", "trials": 3}, "widths", "", Machine(cpus=2, gpus=0))


def make_run(folder: Path, *trials: tuple[str, dict[str, Any] | None]) -> Run:
    """A run with these trials, each given as its state and what it reported."""
    run = Run.create(folder, "run")
    run.write_settings({"settings": SETTINGS.saved()})
    for number, (state, report) in enumerate(trials):
        name = f"{number:03d}-x"
        fake_runs.start(run, name, {"training/lr": 0.1 * number})
        if report is not None:
            fake_runs.report(run, name, 2, **{"images_seen": 900, "fmd_se": 0.1, **report})
        if state != "RUNNING":
            fake_runs.end(run, name, state)
    return run


GOOD, DIVERGED = {"fmd": 40.0, "diverged": False}, {"fmd": 8.0, "diverged": True}


@pytest.mark.parametrize(
    ("trials", "status", "expected"),
    [
        ([("COMPLETE", GOOD), ("PRUNED", GOOD), ("FAILED", None)], "done", 0),
        ([("PRUNED", DIVERGED), ("PRUNED", GOOD)], "done", 0),
        ([("PRUNED", DIVERGED), ("FAILED", None)], "done", 3),
        ([("FAILED", GOOD)], "done", 3),
        ([], "done", 3),
        ([("COMPLETE", GOOD), ("RUNNING", GOOD)], "interrupted", 130),
    ],
)
def test_the_exit_status_says_whether_there_is_a_result(
    trials: list[tuple[str, dict[str, Any] | None]], status: str, expected: int, tmp_path: Path
) -> None:
    assert close(make_run(tmp_path, *trials), status) == expected


def test_the_end_says_where_things_are_and_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    worse = ("PRUNED", {"fmd": 90.0, "diverged": False})
    run = make_run(tmp_path / "my runs", worse, ("COMPLETE", GOOD), worse)
    run.write_settings({"settings": SETTINGS.saved()})
    close(run, "done")
    assert "search/generate.py" not in capsys.readouterr().out  # no model is kept
    (run.checkpoints / "001-x.pt").touch()
    close(run, "done")
    printed = capsys.readouterr().out
    for command in ("generate.py 'my runs/run' --out samples.png", "train.py 'my runs/run' --images 9000"):
        assert f"/search/{command}\n" in printed
    assert "/search/export.py 'my runs/run' model\n" in printed
    assert "samples of the best   'my runs/run/samples/001-x.png'" in printed
    assert "/search/show.py 'my runs/run'\n" in printed
    assert "--resume run --storage-path 'my runs' --trials 6" in printed
    assert run.ranking.is_file()


def test_the_answer_is_printed_after_the_ranking_and_before_what_to_do_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    run = make_run(
        tmp_path, *[("PRUNED", {"fmd": 90.0 + n, "fmd_normalised": 0.1, "diverged": False}) for n in range(25)]
    )
    close(run, "done")
    printed = capsys.readouterr().out
    marks = [
        "019-x",
        "and 5 more",
        "What came out",
        "90.0 ± 0.1: of one training",
        "Nothing was trained again",
        "the whole report",
    ]
    places = [printed.index(mark) for mark in marks]
    assert places == sorted(places)
    assert "020-x" not in printed


@pytest.mark.parametrize("has", ["none", "another", "own"])
def test_a_command_is_run_by_the_interpreter_that_printed_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has: str
) -> None:
    """A folder of programs whose python is none, a link to the same file, or the interpreter itself."""
    programs = tmp_path / "programs"
    programs.mkdir()
    if has == "another":
        (programs / "python").symlink_to(Path(sys.executable).resolve())
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent if has == "own" else programs))
    monkeypatch.chdir("/")
    python = shlex.split(Commands.here(make_run(tmp_path)).script("search/show.py"))[0]
    if has == "own":
        assert python == "python"
    else:
        assert python == sys.executable.removeprefix("/")


def test_what_goes_on_has_the_cluster_and_the_time_that_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    elsewhere = Run.create(tmp_path / "master's thesis?" / "runs", "a")
    assert shlex.split(Commands.here(elsewhere).resume())[-2:] == ["--storage-path", "master's thesis?/runs"]
    run = make_run(tmp_path / "runs", ("COMPLETE", GOOD))
    assert "--storage-path" not in Commands.here(run).resume()
    run.write_settings({"settings": {**SETTINGS.saved(), "address": "auto"}, "used_seconds": SETTINGS.time_budget})
    assert Commands.here(run).resume().endswith(" --address auto")
    close(run, "done")
    more = f"--time-budget {2 * SETTINGS.time_budget:g}\n"
    assert f" --address auto {more}" in capsys.readouterr().out
    run.update_settings(settings={**SETTINGS.saved(), "address": "auto", "trials": 1})
    close(run, "done")
    assert f" --address auto --trials 2 {more}" in capsys.readouterr().out
