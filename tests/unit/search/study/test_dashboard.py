"""What a trial shows in optuna-dashboard: each picture once, as it was last, and the numbers of its last report."""

import math
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.artifacts import FileSystemArtifactStore, download_artifact, get_all_artifact_meta
from optuna.trial import FrozenTrial

from analysis.run.run import Run
from search.study.dashboard import NUMBERS, Gallery
from search.study.journal import open_storage

NAME = "000-x"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run with a study in which one trial runs."""
    run = Run.create(tmp_path, "run")
    study = optuna.create_study(study_name=run.name, storage=open_storage(run.study_file))
    study.ask()
    return run


def draw(run: Run, content: bytes) -> None:
    """Replace a trial's pictures as a trial does."""
    for path in (run.sample_grid(NAME), run.degradation_strip(NAME)):
        part = path.with_name("part")
        part.write_bytes(content + path.name.encode())
        part.replace(path)


def report(images_seen: int, diverged: bool = False) -> dict[str, Any]:
    return dict.fromkeys(NUMBERS, 0.5) | {"images_seen": images_seen, "diverged": diverged}


def trial(run: Run) -> FrozenTrial:
    (found,) = optuna.load_study(study_name=run.name, storage=open_storage(run.study_file)).trials
    return found


def artifacts(run: Run, folder: Path) -> dict[str, bytes]:
    """A trial's artifacts, downloaded by Optuna."""
    metas = get_all_artifact_meta(trial(run), storage=open_storage(run.study_file))
    store, contents = FileSystemArtifactStore(run.artifacts), []
    for meta in metas:
        download_artifact(artifact_store=store, artifact_id=meta.artifact_id, file_path=str(folder / "it"))
        contents.append((meta.filename, (folder / "it").read_bytes()))
        (folder / "it").unlink()
    assert len(dict(contents)) == len(contents)
    assert {meta.mimetype for meta in metas} <= {"image/png"}
    return dict(contents)


def test_each_report_replaces_the_pictures_also_after_a_resume(run: Run, tmp_path: Path) -> None:
    for content, gallery in ((b"first", Gallery(run)), (b"second", Gallery(run)), (b"third", Gallery(run))):
        draw(run, content)
        gallery.report(0, NAME, report(100), ends=False)
        gallery.report(0, NAME, report(100), ends=False)
        expected = {f"{NAME}.png": content + b"000-x.png", f"{NAME}-strip.png": content + b"000-x-strip.png"}
        assert artifacts(run, tmp_path) == expected
        assert {path.name: path.read_bytes() for path in run.samples.iterdir()} == expected
    assert len(list(run.artifacts.iterdir())) == 2


def test_a_file_system_without_links_gets_copies(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*of: object) -> None:
        raise PermissionError

    monkeypatch.setattr("os.link", refuse)
    for content in (b"first", b"second"):
        draw(run, content)
        Gallery(run).report(0, NAME, report(100), ends=False)
        assert artifacts(run, tmp_path)[f"{NAME}.png"] == content + b"000-x.png"


def test_a_diverged_report_leaves_the_pictures_of_the_one_before(run: Run, tmp_path: Path) -> None:
    gallery = Gallery(run)
    draw(run, b"sound")
    gallery.report(0, NAME, report(100), ends=False)
    draw(run, b"noise")
    gallery.report(0, NAME, report(300, diverged=True) | {"ssim": -math.inf}, ends=True)
    assert artifacts(run, tmp_path)[f"{NAME}.png"] == b"sound000-x.png"
    assert "ssim" not in trial(run).user_attrs


def test_numbers_are_those_of_the_report_that_a_trial_ends_or_waits_at(run: Run) -> None:
    gallery = Gallery(run)
    gallery.report(0, NAME, report(100), ends=False)
    assert trial(run).user_attrs == {}
    for images_seen in (300, 900):
        gallery.report(0, NAME, report(images_seen), ends=True)
        assert trial(run).user_attrs == dict.fromkeys(NUMBERS, 0.5) | {"images_seen": images_seen}


def test_a_run_without_a_study_has_no_gallery(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "repeats")
    draw(run, b"any")
    Gallery(run).report(0, NAME, report(100), ends=True)
    assert not run.study_file.exists()
    assert list(run.artifacts.iterdir()) == []
