"""Which training stands for a trial, and which trial for a run."""

from pathlib import Path

import pytest

from analysis.run.run import Run, RunError
from analysis.statistics.winner import training_of, winner
from tests.helpers import fake_runs


def keep(run: Run, *trials: str) -> None:
    """Keep a checkpoint of these trials."""
    run.checkpoints.mkdir(exist_ok=True)
    for trial in trials:
        (run.checkpoints / f"{trial}.pt").touch()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Three trials at the full budget, the last diverged, and one that was stopped early with the lowest FMD."""
    run = Run.create(tmp_path, "run")
    for name, rung, fmd in (("000-a", 2, 30.0), ("001-b", 2, 20.0), ("002-c", 0, 10.0), ("003-d", 2, 5.0)):
        fake_runs.start(run, name, {})
        fake_runs.report(run, name, rung, fmd, diverged=name == "003-d")
        fake_runs.end(run, name, "PRUNED" if rung == 0 else "COMPLETE")
    return run


def test_without_a_confirmation_the_ranking_says_who_wins(run: Run) -> None:
    keep(run, "000-a", "001-b", "003-d")
    assert winner(run) == "001-b"
    assert training_of(run).start.trial == "001-b"
    assert training_of(run, "000-a").start.trial == "000-a"


def test_a_confirmed_trial_is_represented_by_its_best_fresh_seed(run: Run) -> None:
    nested = fake_runs.confirm(run, ["000-a", "001-b"], seeds=3)  # in this order
    keep(run, "000-a", "001-b")
    keep(nested, "000-a.0", "000-a.1", "000-a.2", "001-b.1")
    assert winner(run) == "000-a"
    found = training_of(run)
    fmds = {name: reports[-1].fmd for name, reports in nested.reports().items() if name.startswith("000-a")}
    assert found.start.trial == min(fmds, key=fmds.__getitem__)
    assert found.report.fmd == min(fmds.values())
    assert found.run.path == nested.path
    assert training_of(run, "001-b").start.trial == "001-b.1"
    assert training_of(run, "000-a.2").start.trial == "000-a.2"
    assert training_of(nested, "000-a.2").start.trial == "000-a.2"


def test_where_the_confirmation_keeps_none_it_is_the_search_own(run: Run) -> None:
    fake_runs.confirm(run, ["000-a"])
    keep(run, "000-a")
    assert training_of(run).start.trial == "000-a"


@pytest.mark.parametrize("name", ["002-c", "003-d", "nobody"])
def test_a_trial_without_a_model_is_refused(name: str, run: Run) -> None:
    keep(run, "001-b", "003-d")
    with pytest.raises(RunError, match=f"keeps no model of the trial {name}; there are those of 001-b$"):
        training_of(run, name)


def test_a_run_without_a_result_has_no_winner(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    assert winner(run) is None
    with pytest.raises(RunError, match="no trial has a result yet"):
        training_of(run)
