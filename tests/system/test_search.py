"""Whole searches, small ones, on real MNIST with the real Ray: from the command line to the tables, through kills."""

import math
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from analysis import rank as rank_command
from analysis.run.events import Event
from analysis.run.lock import run_lock
from analysis.run.remote import copy_of
from analysis.run.run import Run, RunError
from analysis.statistics.confirmed import confirmation_result
from analysis.statistics.ranking import rank
from analysis.text.confirmation import conclusions
from search import run as command
from search.confirmation import contenders
from search.options import KEPT_CHECKPOINTS
from trainables.report import Report

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SCRIPT = Path(command.__file__)
TRIALS = 7
BUDGET = ["--max-images", "2304", "--grace-images", "256", "--trials", str(TRIALS), "--confirm", "0"]
SPACE = '''
"""Very small networks, to see a search run and not to find anything."""

BASELINES = ()
STARTS = ({"training/lr": 2e-3}, {"training/lr": 3e-3, "training/target": "x0"})


def space(trial):
    trial.suggest_float("training/lr", 5e-4, 1e-2, log=True)
    trial.suggest_categorical("training/target", ["x0", "v"])
    return {"network/kind": "cnn", "network/cnn/widths": "8-8", "network/cnn/patch": 2, "sampler/steps": 4}
'''
# Trains as the project does, but for two learning rates: one makes the loss NaN, the other raises.
TROUBLED = """
import sys
from search import run
from search.execution import worker
from trainables.diffusion import process as diffusion

train, losses = worker.run_trial, diffusion.LOSSES


def ruin(loss):
    return lambda *of: float("nan") * loss(*of)


def troubled(config, work, images, reference):
    lr = config["variant"]["training/lr"]
    if lr == 0.09:
        raise RuntimeError("out of luck")
    diffusion.LOSSES = {name: ruin(loss) if lr == 0.1 else loss for name, loss in losses.items()}
    train(config, work, images, reference)


worker.run_trial = troubled
sys.exit(run.main())
"""


class Searches:
    """Searches in a folder, each a process; they and all that Ray starts for them have a mark in their environment."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.mark = folder, uuid.uuid4().hex
        (folder / "tiny.py").write_text(SPACE)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**os.environ, "MARK_OF_THIS_TEST": self.mark, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        output, errors = process.communicate()
        return subprocess.CompletedProcess(arguments, process.returncode, output, errors)

    def processes(self) -> dict[int, str]:
        """The processes of these searches that live, by number, with their command lines."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if f"MARK_OF_THIS_TEST={self.mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
        return {number: line for number, line in found.items() if line}

    def kill(self) -> None:
        """Kill all of them at once, as when a machine loses its power."""
        while processes := self.processes():
            for number in processes:
                try:
                    os.kill(number, signal.SIGKILL)
                except ProcessLookupError:
                    continue


@pytest.fixture
def searches(tmp_path: Path) -> Iterator[Searches]:
    searches = Searches(tmp_path)
    yield searches
    searches.kill()


def wait_for(process: subprocess.Popen[str], run: Path, condition: Callable[[list[Event]], bool]) -> Run:
    """Read the log of a run that goes on until it fulfils a condition; the process must not end before."""
    while True:
        if (run / "log.jsonl").is_file():
            opened = Run.open(run)
            if condition(opened.events()):
                return opened
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def reports(run: Run) -> dict[tuple[str, int], float]:
    return {(report.trial, report.images_seen): report.fmd for reports in run.reports().values() for report in reports}


def count_reports(events: list[Event]) -> int:
    return sum(isinstance(event, Report) for event in events)


def check_run(run: Run, trials: int, baselines: tuple[str, ...] = ()) -> optuna.Study:
    """The laws of a run that is done; returns its study."""
    settings = run.settings()
    study = optuna.load_study(study_name=run.path.name, storage=JournalStorage(JournalFileBackend(str(run.study_file))))
    asked = [trial for trial in study.trials if trial.state != TrialState.WAITING]
    table = {row["trial"]: row for row in run.trials().to_pylist()}
    starts = list(run.starts())
    assert settings["status"] == "done"
    assert sorted(starts) == [trial.user_attrs["trial"] for trial in asked] == sorted(table)
    assert len(table) == trials
    assert tuple(trial.user_attrs["baseline"] for trial in asked if trial.user_attrs["baseline"]) == baselines
    curves = {(row["trial"], row["images_seen"]): row["fmd"] for row in run.curves().to_pylist()}
    assert curves == reports(run)
    for trial in asked:
        name = trial.user_attrs["trial"]
        assert table[name]["state"] == trial.state.name
        assert trial.intermediate_values == {images: fmd for (of, images), fmd in curves.items() if of == name}
    assert len(run.kept_checkpoints()) <= KEPT_CHECKPOINTS
    assert set(run.kept_checkpoints()) <= {n for n, row in table.items() if row["state"] == "COMPLETE"}
    assert all((run.tensorboard / name).is_dir() for name in table)
    assert all(run.sample_grid(name).is_file() for name, row in table.items() if row["fmd"] and not row["diverged"])
    assert all((run.path / file).is_file() for file in ("trials.parquet", "curves.parquet", "ranking.csv"))
    assert 0 < settings["overhead"] < 1
    assert settings["seconds"]["trials"] <= settings["slots"] * settings["wall_seconds"]
    return study


def test_killed_in_mid_run_and_resumed_it_loses_nothing(searches: Searches, capsys: pytest.CaptureFixture[str]) -> None:
    (searches.folder / "tiny.py").write_text(SPACE.replace("BASELINES = ()", 'BASELINES = ("A0",)'))
    process = searches.start(str(SCRIPT), "--space", "tiny.py", "--name", "a", *BUDGET)
    run = wait_for(process, searches.folder / "runs" / "a", lambda events: count_reports(events) > 2)
    with pytest.raises(RunError, match="is being searched by another process"), run_lock(run):
        pass
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    searches.kill()
    before = reports(Run.open(run.path))
    assert before
    resumed = searches.run(str(SCRIPT), "--resume", "a")
    assert resumed.returncode == 0, resumed.stderr
    run = Run.open(run.path)
    check_run(run, TRIALS, baselines=("A0",))
    assert before.items() <= reports(run).items()
    assert command.main(["--resume", "a", "--storage-path", str(run.path.parent)]) == 2
    assert f"--resume a: it has had all its {TRIALS} trials; give a larger --trials" in capsys.readouterr().err


def test_on_object_storage_it_goes_on_elsewhere_when_its_machine_is_lost(
    searches: Searches, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = ["--storage-path", f"{bucket}/runs"]
    process = searches.start(str(SCRIPT), "--space", "tiny.py", "--name", "a", *where, *BUDGET)
    uri = f"{bucket}/runs/a"
    wait_for(process, copy_of(uri), lambda events: count_reports(events) > 3)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    searches.kill()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    before = reports(Run.open(uri))
    assert len(before) > 2
    resumed = searches.run(str(SCRIPT), "--resume", "a", *where)
    assert resumed.returncode == 0, resumed.stderr
    assert f"rank.py {uri}" in resumed.stdout
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a_third"))
    run = Run.open(uri)
    check_run(run, TRIALS)
    assert before.items() <= reports(run).items()
    assert rank_command.main([uri]) == 0


def test_interrupted_it_says_how_to_go_on_and_a_trial_that_dies_is_continued(searches: Searches) -> None:
    process = searches.start(str(SCRIPT), "--space", "tiny.py", "--name", "b", "--storage-path", "there", *BUDGET)
    folder = searches.folder / "there" / "b"
    wait_for(process, folder, lambda events: count_reports(events) > 0)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    output, errors = process.communicate()
    assert process.returncode == 130, errors
    assert Run.open(folder).settings()["status"] == "interrupted"
    line = re.search(r"^go on +python (.*)$", output, re.MULTILINE)
    assert line, output
    before = reports(Run.open(folder))
    trials = TRIALS + len(before)  # however many are done by now, some are still to be trained
    process = searches.start(*shlex.split(line[1]), "--trials", str(trials))
    wait_for(process, folder, lambda events: count_reports(events) > len(before) + 1)
    worker = next(number for number, name in searches.processes().items() if name.startswith("ray::ImplicitFunc"))
    os.kill(worker, signal.SIGKILL)
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    run = Run.open(folder)
    study = check_run(run, trials)
    assert before.items() <= reports(run).items()
    assert TrialState.FAIL not in {trial.state for trial in study.trials}


def test_a_trial_that_diverges_or_fails_ends_as_such_and_the_search_goes_on(searches: Searches) -> None:
    (searches.folder / "troubled.py").write_text(TROUBLED)
    text = SPACE.replace("STARTS = (", 'STARTS = ({"training/lr": 2e-3}, {"training/lr": 0.1}, {"training/lr": 0.09},')
    (searches.folder / "tiny.py").write_text(text.replace("5e-4, 1e-2", "5e-4, 0.1"))
    ended = searches.run(
        "troubled.py", "--space", "tiny.py", "--name", "c", "--scheduler", "none", *BUDGET, "--trials", "4"
    )
    assert ended.returncode == 0, ended.stderr
    run = Run.open(searches.folder / "runs" / "c")
    study = check_run(run, 4)
    rows = {row["training/lr"]: row for row in run.trials().to_pylist()}
    diverged, failed = rows[0.1], rows[0.09]
    assert (diverged["state"], diverged["diverged"], diverged["fmd_normalised"]) == ("PRUNED", True, 1.0)
    assert study.trials[diverged["number"]].value == diverged["fmd"]
    assert math.isfinite(diverged["fmd"])
    assert (failed["state"], failed["fmd"]) == ("FAILED", None)
    assert "out of luck" in next(end.error for end in run.ends().values() if end.state == "FAILED")
    assert {trial.state for trial in study.trials if trial.number < 4} == {
        TrialState.COMPLETE,
        TrialState.PRUNED,
        TrialState.FAIL,
    }


def test_the_winner_is_confirmed_also_when_the_race_is_cut_off(searches: Searches) -> None:
    arguments = [*BUDGET, "--scheduler", "asha", "--confirm", "2", "--seeds", "2"]
    process = searches.start(str(SCRIPT), "--space", "tiny.py", "--name", "f", *arguments)
    race = searches.folder / "runs" / "f" / "confirm"
    wait_for(process, race, lambda events: count_reports(events) > 0)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    searches.kill()
    before = reports(Run.open(race))
    resumed = searches.run(str(SCRIPT), "--resume", "f")
    assert resumed.returncode == 0, resumed.stderr
    run, nested = Run.open(race.parent), Run.open(race)
    check_run(run, TRIALS)
    assert before.items() <= reports(nested).items()
    rows = nested.trials().to_pylist()
    best = [start["trial"] for start in contenders(run, 2)]
    assert best[0] == rank(run.trials(), None).to_pylist()[0]["trial"]
    assert {row["repeats"] for row in rows} == set(best)
    assert {row["images_seen"] for row in rows} == {2304}
    for repeat in (0, 1):  # the same fresh seed for all, and none of the search's
        seeds = {row["seed"] for row in rows if row["trial"].endswith(f".{repeat}")}
        assert len(seeds) == 1
        assert seeds.isdisjoint(run.trials()["seed"].to_pylist())
    found = confirmation_result(run)
    assert found is not None
    assert (found.metric["split"], found.test_metric["split"]) == ("confirm", "test")
    assert {s.trial for s in found.test_standings} == {s.trial for s in found.standings if s.tied}
    assert all(sentence in " ".join(resumed.stdout.split()) for sentence in conclusions(run, found))
    assert nested.settings()["metric"]["n"] > run.settings()["metric"]["n"]


def test_a_trained_model_is_sampled_from_by_a_search_of_its_own(searches: Searches) -> None:
    assert searches.run(str(SCRIPT), "--space", "tiny.py", "--name", "d", *BUDGET, "--trials", "2").returncode == 0
    trained = Run.open(searches.folder / "runs/d")
    model = next(path.stem for path in trained.checkpoints.glob("*.pt"))
    (row,) = (row for row in trained.trials().to_pylist() if row["trial"] == model)
    arguments = ["--space", "samplers", "--from", f"runs/d/{model}", "--name", "e", "--trials", "5", "--confirm", "0"]
    ended = searches.run(str(SCRIPT), *arguments)
    assert ended.returncode == 0, ended.stderr
    run = Run.open(searches.folder / "runs/e")
    check_run(run, 5)
    rows = run.trials().to_pylist()
    assert {row["sampler/steps"] for row in rows} >= {2, 5, 10}
    for other in rows:
        changed = {name for name, value in row.items() if "/" in name and other[name] != value}
        assert changed <= {"sampler/kind", "sampler/steps"}
        assert (other["images_seen"], other["images_per_second"], other["loss"]) == (row["images_seen"], 0, row["loss"])
