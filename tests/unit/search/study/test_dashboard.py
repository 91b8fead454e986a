"""What optuna-dashboard shows of a trial: each picture once, the latest, and the numbers of its last report."""

import math
from pathlib import Path

import optuna
import pytest
from optuna.artifacts import FileSystemArtifactStore, download_artifact, get_all_artifact_meta
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial

from analysis.run.run import Run
from analysis.text.answer import Answer
from analysis.text.facts import Fact
from search.study.dashboard import NUMBERS, Dashboard, tell_answer
from trainables.report import Report

NAME = "000-x"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run with a study in which one trial runs."""
    run = Run.create(tmp_path, "run")
    optuna.create_study(study_name=run.name, storage=storage(run)).ask()
    return run


def storage(run: Run) -> JournalStorage:
    return JournalStorage(JournalFileBackend(str(run.study_file)))


def make_dashboard(run: Run) -> Dashboard:
    """The dashboard of a session."""
    return Dashboard(run, optuna.load_study(study_name=run.name, storage=storage(run)))


def draw(run: Run, content: bytes) -> None:
    """Replace a trial's pictures as a trial does."""
    for path in (run.picture(NAME, "samples"), run.picture(NAME, "degradation")):
        part = path.with_name("part")
        part.write_bytes(content + path.name.encode())
        part.replace(path)


def report(images_seen: int, diverged: bool = False, ssim: float = 0.5) -> Report:
    values = {"trial": NAME, "images_seen": images_seen, "diverged": diverged, "ssim": ssim}
    return Report.from_dict(dict.fromkeys(NUMBERS, 0.5) | values)


def trial(run: Run) -> FrozenTrial:
    (found,) = optuna.load_study(study_name=run.name, storage=storage(run)).trials
    return found


def artifacts(run: Run, folder: Path) -> dict[str, bytes]:
    """A trial's artifacts, downloaded by Optuna."""
    metas = get_all_artifact_meta(trial(run), storage=storage(run))
    store, contents = FileSystemArtifactStore(run.artifacts), []
    for meta in metas:
        download_artifact(artifact_store=store, artifact_id=meta.artifact_id, file_path=str(folder / "it"))
        contents.append((meta.filename, (folder / "it").read_bytes()))
        (folder / "it").unlink()
    assert len(dict(contents)) == len(contents)
    assert {meta.mimetype for meta in metas} <= {"image/png"}
    return dict(contents)


def test_each_report_replaces_the_pictures_also_after_a_resume(run: Run, tmp_path: Path) -> None:
    for content in (b"first", b"second", b"third"):
        draw(run, content)
        dashboard = make_dashboard(run)
        dashboard.report(0, report(100), leaves=False)
        dashboard.report(0, report(100), leaves=False)
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
        make_dashboard(run).report(0, report(100), leaves=False)
        assert artifacts(run, tmp_path)[f"{NAME}.png"] == content + b"000-x.png"


def test_a_diverged_report_leaves_the_pictures_of_the_one_before(run: Run, tmp_path: Path) -> None:
    dashboard = make_dashboard(run)
    draw(run, b"sound")
    dashboard.report(0, report(100), leaves=False)
    draw(run, b"noise")
    dashboard.report(0, report(300, diverged=True, ssim=-math.inf), leaves=True)
    assert artifacts(run, tmp_path)[f"{NAME}.png"] == b"sound000-x.png"
    assert "ssim" not in trial(run).user_attrs


def test_numbers_are_those_of_the_report_with_which_a_trial_leaves_its_process(run: Run) -> None:
    dashboard = make_dashboard(run)
    dashboard.report(0, report(100), leaves=False)
    assert trial(run).user_attrs == {}
    for images_seen in (300, 900):
        dashboard.report(0, report(images_seen), leaves=True)
        assert trial(run).user_attrs == dict.fromkeys(NUMBERS, 0.5) | {"images_seen": images_seen}


def test_the_answer_of_a_run_is_an_attribute_of_its_study(run: Run) -> None:
    tell_answer(run, Answer(NAME, "lr=0.002", [Fact("FMD", "45.0", "of one training")], []))
    study = optuna.load_study(study_name=run.name, storage=storage(run))
    assert study.user_attrs["answer"] == f"best: {NAME}: lr=0.002\nFMD: 45.0: of one training"


def test_without_a_study_that_can_be_read_the_answer_is_told_to_nobody(run: Run) -> None:
    run.study_file.write_text("{\n")
    tell_answer(run, Answer(NAME, "", [], []))
    assert run.study_file.read_text() == "{\n"
    run.study_file.unlink()
    tell_answer(run, Answer(NAME, "", [], []))
    assert not run.study_file.exists()
