"""Runs of Weights & Biases in offline mode, as they lie on the disk."""

import re
from pathlib import Path

import pytest

from analysis.run.events import End
from analysis.run.run import Run
from search import send
from search.trackers.known import trackers_of
from tests.helpers import fake_runs

pytest.importorskip("wandb", reason="Weights & Biases is an extra: pip install '.[wandb]'")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

FOLDER = re.compile(r"offline-run-\d{8}_\d{6}-([0-9a-f]{16})(-\d+)?")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.chdir(tmp_path)


def sent(run: Run, *trackers: str) -> list[str]:
    said: list[str] = []
    session = trackers_of(trackers or ["wandb:digits"], run, said.append)
    session.follow(run)
    if nested := run.confirmed():
        session.follow(nested)
    assert session.close(120)
    return said


def contents(run: Run) -> dict[str, bytes]:
    """What lies there of each run, by its id; no id is there twice."""
    folders = [path for path in run.wandb.iterdir() if FOLDER.fullmatch(path.name) and not path.is_symlink()]
    found = {}
    for folder in folders:
        (file,) = folder.glob("*.wandb")
        key = FOLDER.fullmatch(folder.name)
        assert file.name == f"run-{key[1]}.wandb"
        found[key[1]] = file.read_bytes()
    assert len(found) == len(folders)
    return found


def of(trial: str, there: dict[str, bytes]) -> bytes:
    (content,) = [content for content in there.values() if trial.encode() in content]
    return content


def test_each_trial_lies_there_once_with_its_configuration_numbers_and_state(tmp_path: Path) -> None:
    run = fake_runs.search(tmp_path, trials=4, name="mine")
    assert sent(run) == []
    there = contents(run)
    assert len(there) == 4
    for row in run.trials().to_pylist():
        content = of(row["trial"], there)
        for text in ("mine", "digits", "training/lr", "fmd_normalised", "images_seen", row["state"]):
            assert text.encode() in content, text
        assert str(row["fmd"]).encode() in content
        assert b"media/images/samples" in content or row["diverged"]
    assert not (tmp_path / "wandb").exists()


def test_trainings_with_fresh_seeds_are_told_apart(tmp_path: Path) -> None:
    run = fake_runs.search(tmp_path, trials=3, name="mine")
    nested = fake_runs.confirm(run, [next(iter(run.starts()))], seeds=2)
    assert sent(run) == []
    there = contents(run)
    assert len(there) == 5
    marked = [content for content in there.values() if b"confirmation" in content]
    assert len(marked) == 2
    assert all(any(name.encode() in content for content in marked) for name in nested.starts())


def test_a_resume_writes_what_is_new_and_leaves_no_run_twice(tmp_path: Path) -> None:
    run = fake_runs.search(tmp_path, trials=3, name="mine")
    fake_runs.start(run, "003-late", {"training/lr": 0.5})
    fake_runs.report(run, "003-late", 0, 77.25)
    run.append(End("003-late", "PAUSED"))
    assert sent(run) == []
    before = contents(run)
    assert sent(Run.open(run.path)) == []
    assert contents(run) == before
    run.append(run.starts()["003-late"])
    fake_runs.report(run, "003-late", 1, 33.125)
    run.append(End("003-late", "COMPLETE"))
    assert sent(Run.open(run.path)) == []
    after = contents(run)
    assert after.keys() == before.keys()
    changed = [key for key in after if after[key] != before[key]]
    assert len(changed) == 1
    for text in (b"77.25", b"33.125", b"COMPLETE"):
        assert text in after[changed[0]]


def test_a_project_is_a_place_of_its_own(tmp_path: Path) -> None:
    run = fake_runs.search(tmp_path, trials=2, name="mine")
    assert sent(run, "wandb:one", "wandb:someone/two") == []
    assert len(contents(run)) == 4
    assert send.main([str(run.path), "wandb:one"]) == 0
    assert len(contents(run)) == 4
