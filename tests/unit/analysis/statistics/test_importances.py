"""Importances name the field that matters, and say when none does."""

import math
import random
import shutil
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

from analysis.run.run import Event, Run
from analysis.statistics.comparable_trials import ENOUGH, comparable_trials
from analysis.statistics.importances import importances
from tests.helpers.fake_runs import IMAGES, add_trial
from trainables.report import Report


def drawn(draw: random.Random) -> Event:
    kind = draw.choice(["cosine", "linear", "sigmoid"])
    return {
        "schedule/kind": kind,
        "training/batch": draw.choice([32, 64]),
        "training/lr": 10 ** draw.uniform(-4, -2),
        "network/norm": draw.choice([True, False]),
        "network/kernel": 3,
    }


def write(root: Path, count: int = 60, seed: int = 0) -> Run:
    """Write a run of random trials whose FMD only the schedule and, less, the learning rate decide."""
    draw = random.Random(seed)
    run = Run.create(root, f"run-{seed}-{count}")
    for _ in range(count):
        variant = drawn(draw)
        fmd = {"cosine": 30.0, "linear": 80.0, "sigmoid": 200.0}[variant["schedule/kind"]]
        add_trial(
            run, variant, [fmd * math.exp(0.2 * abs(math.log(variant["training/lr"] / 1e-3)) + draw.gauss(0, 0.1))]
        )
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write(tmp_path_factory.mktemp("importances"))


def test_the_field_that_decides_comes_first_and_above_chance(run: Run) -> None:
    found = importances(run)
    assert found[0].name == "schedule/kind"
    assert found[0].low > found[0].chance
    assert found[0].low > max(other.value for other in found[1:])
    assert {other.name for other in found[1:]} == {"training/lr", "training/batch", "network/norm"}  # not what is fixed


def test_shares_sum_to_one_and_lie_in_their_intervals(run: Run) -> None:
    found = importances(run)
    assert sum(field.value for field in found) == pytest.approx(1)
    assert [field.value for field in found] == sorted((field.value for field in found), reverse=True)
    for field in found:
        assert 0 <= field.low <= field.value <= field.high <= 1
        assert 0 <= field.chance <= 1
        assert field.trials == 60


def test_shares_are_those_of_optuna_for_a_study_of_the_same_trials(tmp_path: Path) -> None:
    draw = random.Random(3)
    run = Run.create(tmp_path, "categorical")
    study = optuna.create_study()
    domains = {"a": CategoricalDistribution(["x", "y", "z"]), "b": CategoricalDistribution(["u", "v"])}
    for number in range(80):
        variant = {name: draw.choice(domain.choices) for name, domain in domains.items()}
        if number % 2:
            variant["c"] = draw.choice(["p", "q"])
        fmd = draw.uniform(50, 60) + 20 * (variant["a"] == "x") + 5 * (variant.get("c") == "p")
        add_trial(run, variant, [fmd])
        distributions = {name: domains.get(name, CategoricalDistribution(["p", "q"])) for name in variant}
        study.add_trial(optuna.trial.create_trial(params=variant, distributions=distributions, value=fmd))
    expected = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(target_quantile=0.25))
    found = importances(run)
    assert {field.name: field.value for field in found} == pytest.approx(expected)
    assert {field.name: field.trials for field in found} == {"a": 80, "b": 80, "c": 40}


def test_only_the_order_of_fmds_counts(run: Run, tmp_path: Path) -> None:
    squeezed = Run.create(tmp_path, "squeezed")
    for event in run.events():
        squeezed.append(replace(event, fmd=math.log(event.fmd)) if isinstance(event, Report) else event)
    assert importances(squeezed) == importances(run)


def test_what_diverged_is_last_whatever_its_value(tmp_path: Path) -> None:
    low, high = Run.create(tmp_path, "low"), Run.create(tmp_path, "high")
    for run, blank in ((low, 1.0), (high, 1e6)):
        draw = random.Random(5)
        for number in range(40):
            variant, diverges = drawn(draw), number % 4 == 0
            add_trial(run, variant, [blank if diverges else draw.uniform(50, 60)], diverged=diverges)
    assert importances(low) == importances(high)


def test_baselines_and_fields_that_few_trials_have_are_left_out(run: Run, tmp_path: Path) -> None:
    more = Run.open(shutil.copytree(run.path, tmp_path / "more"))
    for _ in range(30):
        add_trial(more, {"schedule/kind": "logistic", "training/lr": 1e-4}, [1.0], baseline="A0")
    assert importances(more) == importances(run)
    for number in range(9):
        add_trial(more, {"schedule/kind": "cosine", "schedule/s": number % 2}, [30.0 + number])
    assert "schedule/s" not in {field.name for field in importances(more)}
    add_trial(more, {"schedule/kind": "cosine", "schedule/s": 1}, [30.0])
    assert {field.name: field.trials for field in importances(more)}["schedule/s"] == 10


def test_too_few_trials_have_no_importances(tmp_path: Path) -> None:
    assert importances(write(tmp_path, count=ENOUGH - 1)) == []
    assert importances(write(tmp_path, count=ENOUGH)) != []
    assert importances(write(tmp_path, count=0)) == []


def test_trials_that_do_not_differ_have_no_importances(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "same")
    for number in range(ENOUGH):
        add_trial(run, {"schedule/kind": "cosine"}, [30.0 + number])
    assert importances(run) == []


def test_fields_without_influence_are_seldom_above_chance(tmp_path: Path) -> None:
    above = []
    for seed in range(12):
        draw = random.Random(seed)
        run = Run.create(tmp_path, f"noise-{seed}")
        for _ in range(24):
            add_trial(run, drawn(draw), [draw.uniform(50, 60)])
        above += [field.value > field.chance for field in importances(run)]
    assert len(above) == 48
    assert sum(above) <= 7  # 5 % of 48 is 2.4; more than 7 has a probability below 0.4 %


def test_trials_are_compared_at_the_largest_budget_that_enough_of_them_reached(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "rungs")
    for number in range(30):
        rungs = 3 if number < 5 else 2 if number < ENOUGH - 1 else 1
        add_trial(
            run, {"training/batch": number % 2}, [90.0, 60.0, 30.0][:rungs], "COMPLETE" if rungs == 3 else "PRUNED"
        )
    compared = comparable_trials(run)
    assert (compared.images_seen, len(compared.trials), compared.selected) == (IMAGES[0], 30, False)
    add_trial(run, {"training/batch": 0}, [90.0, 60.0], "PRUNED")
    compared = comparable_trials(run)
    assert (compared.images_seen, len(compared.trials), compared.reported) == (IMAGES[1], ENOUGH, 31)
    assert compared.selected
