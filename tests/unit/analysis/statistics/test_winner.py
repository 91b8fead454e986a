"""Which training stands for a trial, and which trial for a run."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from analysis.page.report import page
from analysis.run.run import Run, RunError
from analysis.statistics.confirmed import confirmation_result
from analysis.statistics.winner import training_of, winner
from analysis.text.answer import answer
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


def test_a_guidance_that_was_chosen_after_training_is_that_of_the_model_and_of_the_tables(run: Run) -> None:
    nested = fake_runs.confirm(run, ["000-a"], seeds=1)
    tried = {"tried_guidance": (0.92, 0.7, 1.0), "tried_fmd": (9.0, 8.0, 8.5)}
    fake_runs.start(nested, "001-b.0", {"sampler/guidance": 0.92, "training/lr": 0.1}, repeats="001-b", seed=0)
    fake_runs.report(nested, "001-b.0", 2, 20.0, **tried)
    keep(nested, "001-b.0")
    chosen = {"sampler/guidance": 0.7, "training/lr": 0.1}
    assert training_of(run).start.variant == chosen
    nested.write_tables()
    (row,) = (row for row in pq.read_table(nested.path / "trials.parquet").to_pylist() if row["trial"] == "001-b.0")
    assert {name: row[name] for name in (*chosen, *tried)} == chosen | {n: list(values) for n, values in tried.items()}
    result = confirmation_result(run)
    assert result.guidance == {"001-b": (0.92, 0.7)}
    found = answer(run)
    said = "chosen after training: by images of the search, for all that know classes alike, "
    assert dict(found.lines())["guidance"] == f"{said}001-b 0.7 (in the search 0.92)"
    assert found.configuration.endswith("judged with guidance=0.7")
    assert found.configuration in page(run)


@pytest.mark.parametrize("name", ["002-c", "003-d", "nobody"])
def test_a_trial_without_a_model_is_refused(name: str, run: Run) -> None:
    keep(run, "001-b", "003-d")
    with pytest.raises(RunError, match=f"keeps no model of the trial {name}; there are those of 001-b$"):
        training_of(run, name)


def test_a_run_in_which_no_trial_is_trained_in_full_says_what_makes_one(run: Run) -> None:
    with pytest.raises(RunError, match=r"keeps no model: .* and none is; go on with it by search/run.py --resume"):
        training_of(run)


def test_a_run_without_a_result_has_no_winner(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    assert winner(run) is None
    with pytest.raises(RunError, match="no trial has a result yet"):
        training_of(run)
