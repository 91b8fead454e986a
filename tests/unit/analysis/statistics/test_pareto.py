"""A front holds exactly the trials that no other beats."""

import random
from pathlib import Path

import optuna
import pytest

from analysis.run.events import State
from analysis.run.run import Run
from analysis.statistics.pareto import COSTS, Point, front_budget, points
from tests.helpers import fake_runs
from tests.helpers.fake_runs import IMAGES


def add(
    run: Run, fmds: list[float], nfe: int = 20, seconds: float = 1.0, state: State = "COMPLETE", **more: object
) -> None:
    """Append a trial with a report for each fmd, each after so many seconds more; keywords change the reports."""
    values = {"train_seconds": seconds, "sample_seconds": 0.5, "parameters": 100, "nfe": nfe}
    fake_runs.add_trial(run, {}, fmds, state, **values | more)


def fronts(run: Run) -> dict[str, list[str]]:
    """The names of the trials on each front."""
    return {cost: [point.trial for point in found if point.dominated_by is None] for cost, found in points(run).items()}


def beats(one: Point, other: Point) -> bool:
    return one.cost <= other.cost and one.fmd <= other.fmd and (one.cost, one.fmd) != (other.cost, other.fmd)


@pytest.mark.parametrize("seed", range(6))
def test_a_front_is_that_of_brute_force_and_of_optuna(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    run = Run.create(tmp_path, "any")
    study = optuna.create_study(directions=["minimize", "minimize"])
    for _ in range(draw.randint(2, 30)):
        nfe, fmd = draw.randint(1, 10), float(draw.randint(1, 10))  # of few values: ties in one and in both
        add(run, [fmd], nfe=nfe)
        study.add_trial(optuna.trial.create_trial(values=[nfe, fmd]))
    add(run, [50.0], nfe=11)  # so that the cost is not the same for all
    found = points(run)["nfe"]
    for point in found:
        better = [other for other in found if beats(other, point)]
        assert (point.dominated_by is None) == (not better)
        if better:
            dominator = next(other for other in found if other.trial == point.dominated_by)
            assert beats(dominator, point)
            assert dominator.fmd == min(other.fmd for other in better)
            assert dominator.trial in fronts(run)["nfe"]
    assert set(fronts(run)["nfe"]) == {f"{trial.number:03d}" for trial in study.best_trials}
    assert [(point.cost, point.fmd) for point in found] == sorted((point.cost, point.fmd) for point in found)


def test_seconds_of_training_are_those_up_to_the_budget_and_of_sampling_those_of_one_evaluation(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "seconds")
    add(run, [90.0, 30.0], seconds=2.0)
    add(run, [90.0, 20.0], seconds=3.0, sample_seconds=0.7, parameters=200)
    assert [(point.cost, point.fmd) for point in points(run)["train_seconds"]] == [(4.0, 30.0), (6.0, 20.0)]
    assert [(point.cost, point.fmd) for point in points(run)["sample_seconds"]] == [(0.5, 30.0), (0.7, 20.0)]


def test_trials_that_do_the_same_work_have_the_same_seconds(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "noise")
    for fmd, seconds in ((30.0, 1.0), (25.0, 9.0), (20.0, 4.0)):  # of one network, on a machine that did more than this
        add(run, [90.0, fmd], seconds=seconds, sample_seconds=seconds)
    assert not {"train_seconds", "sample_seconds"} & fronts(run).keys()
    add(run, [90.0, 10.0], seconds=20.0, parameters=200)
    assert [(point.cost, point.fmd) for point in points(run)["train_seconds"]] == [
        *((8.0, fmd) for fmd in (20.0, 25.0, 30.0)),
        (40.0, 10.0),
    ]
    assert fronts(run)["train_seconds"] == ["002", "003"]


def test_a_cost_that_does_not_differ_is_left_out(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "same")
    add(run, [90.0], nfe=20, seconds=1.0)
    add(run, [80.0], nfe=10, seconds=1.01)
    assert list(fronts(run)) == ["nfe"]
    assert set(COSTS) == {"nfe", "parameters", "train_seconds", "sample_seconds"}


def test_trials_are_compared_at_the_largest_budget_that_two_reached(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "rungs")
    assert (front_budget(run), fronts(run)) == (None, {})
    add(run, [90.0, 30.0], nfe=20)
    assert (front_budget(run), fronts(run)) == (None, {})
    add(run, [80.0], nfe=10, state="PRUNED")
    assert front_budget(run) == IMAGES[0]
    assert fronts(run)["nfe"] == ["001"]
    add(run, [95.0, 10.0], nfe=30)
    add(run, [1.0, 1.0], nfe=1, diverged=True)  # whatever the value of what diverged
    assert front_budget(run) == IMAGES[1]
    assert fronts(run)["nfe"] == ["000", "002"]
