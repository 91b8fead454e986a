"""Whatever becomes of a run's files, each command ends with a result or with one line and status 2."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis import compare, insight, literature, rank, report
from analysis.process import carry_out
from analysis.run.run import Run
from search.history import History
from search.machine import Machine
from search.resuming import nothing_left, open_run, require_same_data, require_same_metric, with_space
from search.schedulers import SCHEDULERS
from search.settings import Settings
from search.space.load import load
from search.study.journal import open_study
from search.study.queue import TrialQueue
from tests.helpers import fake_runs
from tests.helpers.damage import damaged
from tests.helpers.tools import load_driver

TRIALS, SLOTS = 8, 2
FILES = ("log.jsonl", "search.json", "study.journal", "confirm/log.jsonl", "confirm/search.json", "evaluation.parquet")
# Those of a second or less, and all.
QUICK, ALL = 40, 150


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a search that was interrupted, with a confirmation and an evaluation."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        overhead = load_driver(patch)
        given = {"space": "degradations", "trials": TRIALS, "sampler": "random", "storage_path": str(folder)}
        driver, events = overhead.Driver(folder, given, SLOTS), iter(range(9))

        def interrupt() -> None:
            if next(events, None) is None:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            driver.fit(interrupt)
    run: Run = driver.run
    for name in run.reports():
        fake_runs.draw(run, name)
    beside = {name: value for name, value in fake_runs.settings("run").items() if name != "settings"}
    run.update_settings(**beside, settings=driver.settings.saved())
    nested = fake_runs.confirm(run, list(run.reports())[:2], seeds=2)
    shutil.copy(nested.evaluation, run.evaluation)
    return run.path


def resume(folder: Path) -> int:
    """Do what --resume does until Ray starts."""

    def work() -> int:
        run = open_run(str(folder.parent), folder.name)
        settings = Settings.resume(run.settings()["settings"], {}, Machine(cpus=2, gpus=0))
        nothing_left(run, settings)
        space = load(settings.space, settings.fixed)
        settings = with_space(run, settings, space)
        require_same_data(run, {"train-images": "ba89"}, "--resume run")
        require_same_metric(run, fake_runs.CARD["version"])
        scheduler = SCHEDULERS[settings.scheduler](settings.rungs, settings.reduction_factor, space.unstopped)
        history = History(run.events(), scheduler)
        study = open_study(run.study_file, settings, space, history, lambda text: None)
        queue = TrialQueue(settings, space, study, scheduler)
        queue.resume(history)
        queue.next_trial()
        return 0

    return carry_out("search/run.py", work)


def check(command: Callable[[], int], capsys: pytest.CaptureFixture[str]) -> int:
    """Carry out a command: it ends with a result, or with one line and status 2, and nothing commands the terminal."""
    status = command()
    printed = capsys.readouterr()
    assert status in (0, 2)
    assert printed.err.count("\n") == (0 if status == 0 else 1), printed.err
    assert "\x1b" not in printed.out + printed.err
    return status


@pytest.mark.parametrize("seed", range(QUICK))
def test_what_is_damaged_ranks_and_resumes_or_is_named_in_one_line(
    seed: int, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = damaged(whole, tmp_path, FILES, seed)
    check(lambda: rank.main([str(run)]), capsys)
    check(lambda: rank.main([str(run), "--format", "csv"]), capsys)
    check(lambda: resume(run), capsys)


@pytest.mark.slow
def test_what_is_damaged_has_every_result_or_is_named_in_one_line(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in range(QUICK, ALL):
        run = damaged(whole, tmp_path / str(seed), FILES, seed)
        commands: tuple[Callable[[], int], ...] = (
            lambda run=run: rank.main([str(run), "--at", "seconds"]),
            lambda run=run: report.main([str(run)]),
            lambda run=run: compare.main([str(run), str(whole)]),
            lambda run=run: insight.main([str(run)]),
            lambda run=run: literature.main([str(run)]),
            lambda run=run: resume(run),
        )
        for command in commands:
            check(command, capsys)


def test_what_is_whole_has_every_result(whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = shutil.copytree(whole, tmp_path / "run")
    for command in (rank.main, report.main, insight.main, literature.main):
        assert check(lambda command=command: command([str(run)]), capsys) == 0
    assert check(lambda: compare.main([str(run), str(whole)]), capsys) == 0
    assert check(lambda: resume(run), capsys) == 0
