"""Runs that version 0.1.0 wrote rank, report, compare, replay and resume with the commands of today.

In `tests/data/old_runs`, `finished` is a confirmed search of `tiny.py` with `--scheduler promotion`. `interrupted` is a
search of `degradations.py` with `--scheduler asha` that ended by Ctrl-C in its second trial. Both lack what no command
needs: the files of Ray and TensorBoard, the dashboard's artifacts, most pictures and checkpoints. The weights of the
checkpoint that is left are rounded.
"""

import json
import shutil
from pathlib import Path

import pytest

from analysis import compare, rank, report
from analysis.run.run import Run
from search import replay
from tests.helpers.searches import SCRIPT, Searches, reports

OLD = Path(__file__).parents[1] / "data" / "old_runs"


@pytest.fixture
def searches(searches: Searches, tmp_path: Path) -> Searches:
    """A folder `runs` with copies of the old runs; the spaces of then lie beside it, where their searches find them."""
    for space in OLD.glob("*.py"):
        shutil.copy(space, tmp_path)
    for name in ("finished", "interrupted"):
        shutil.copytree(OLD / name, tmp_path / "runs" / name)
    for file in (tmp_path / "runs").rglob("search.json"):
        text = file.read_text().replace("/somewhere/else/tiny.py", str(tmp_path / "tiny.py"))
        file.write_text(text.replace('"space": "degradations"', f'"space": "{tmp_path}/degradations.py"'))
    return searches


@pytest.fixture
def finished(searches: Searches) -> Run:
    return Run.open(searches.folder / "runs" / "finished")


@pytest.fixture
def interrupted(searches: Searches) -> Run:
    return Run.open(searches.folder / "runs" / "interrupted")


def old_reports(name: str) -> dict[tuple[str, int], float]:
    """Return the FMDs of an old log as it is written."""
    events = [json.loads(line) for line in (OLD / name / "log.jsonl").read_text().splitlines()]
    return {(e["trial"], e["images_seen"]): e["fmd"] for e in events if e["event"] == "report"}


def require_done(run: Run, trials: int) -> None:
    """See that a resumed search is done, each of its trials has ended, and its settings are those of today."""
    settings = run.settings()
    assert settings["status"] == "done"
    assert settings["settings"]["storage_path"] == str(run.path.parent)
    states = run.trials()["state"].to_pylist()
    assert len(states) == trials
    assert set(states) <= {"COMPLETE", "PRUNED"}


def test_schedulers_have_their_names_of_today(finished: Run, interrupted: Run) -> None:
    names = [run.settings()["settings"]["scheduler"] for run in (finished, interrupted)]
    assert names == ["asha", "asha-stopping"]


def test_every_report_is_read(finished: Run, interrupted: Run) -> None:
    for run in (finished, interrupted, Run.open(finished.confirmation)):
        name = run.path.relative_to(finished.path.parent)
        assert reports(run) == old_reports(str(name)) != {}


def test_they_are_ranked_and_compared(finished: Run, interrupted: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert rank.main([str(finished.path)]) == 0
    printed = capsys.readouterr().out
    assert all(f"{number:03d}-" in printed for number in range(5))
    assert rank.main([str(interrupted.path)]) == 0
    assert "000-gaussian" in capsys.readouterr().out
    assert compare.main([str(finished.path), str(interrupted.path)]) == 0
    printed = capsys.readouterr().out
    assert "000-gaussian" in printed
    assert "001-x0" in printed


def test_their_reports_are_written_again(finished: Run, interrupted: Run) -> None:
    for run in (finished, interrupted):
        assert report.main([str(run.path)]) == 0
        assert "<img" in run.report.read_text()


def test_a_trial_is_replayed_and_its_numbers_agree(finished: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay.main([str(finished.path), "001-x0"]) == 0
    assert capsys.readouterr().out.endswith("the numbers agree\n")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_finished_run_goes_on_with_more_trials(searches: Searches, finished: Run) -> None:
    arguments = ["--resume", "finished", "--trials", "7", "--storage-path", "runs", "--trust"]
    resumed = searches.run(str(SCRIPT), *arguments)
    assert resumed.returncode == 0, resumed.stderr
    run = Run.open(finished.path)
    require_done(run, 7)
    assert old_reports("finished").items() <= reports(run).items()
    assert old_reports("finished/confirm").items() <= reports(Run.open(run.confirmation)).items()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_interrupted_run_is_completed(searches: Searches, interrupted: Run) -> None:
    resumed = searches.run(str(SCRIPT), "--resume", "interrupted", "--storage-path", "runs", "--trust")
    assert resumed.returncode == 0, resumed.stderr
    run = Run.open(interrupted.path)
    require_done(run, 2)
    assert old_reports("interrupted").items() <= reports(run).items()
