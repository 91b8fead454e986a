"""Laws of the race and its intervals: closed forms where there are any, a known truth where there are none."""

import math
from types import ModuleType

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.confidence import (
    Estimate,
    chance_of_better,
    chances_of_best,
    estimates,
    may_be_best,
    next_round,
)
from tests.helpers.tools import load_benchmark


@pytest.fixture(scope="module")
def confirmation() -> ModuleType:
    """The simulation of tests/benchmarks/."""
    return load_benchmark("confirmation")


def test_one_configuration_alone_has_the_interval_of_students_t() -> None:
    logs = np.log([30.0, 31.0, 29.5, 30.2])
    estimate = estimates({"a": np.exp(logs)})["a"]
    low, high = stats.t.interval(0.95, 3, logs.mean(), stats.sem(logs))
    assert estimate.interval() == pytest.approx((math.exp(logs.mean()), math.exp(low), math.exp(high)))


def test_of_equal_numbers_of_seeds_the_variance_lies_between_the_own_and_the_others() -> None:
    fmds = {"quiet": [30.0, 30.1, 29.9], "loud": [40.0, 42.0, 38.0], "middle": [50.0, 50.5, 49.5]}
    estimated = estimates(fmds)
    own = {name: float(np.log(values).std(ddof=1)) for name, values in fmds.items()}
    spread = {name: estimate.error * math.sqrt(3) for name, estimate in estimated.items()}
    assert own["quiet"] < spread["quiet"] < spread["loud"] < own["loud"]
    assert all(2 < estimate.dof < 6 for estimate in estimated.values())


def test_units_do_not_matter() -> None:
    fmds = {"a": [30.0, 31.0], "b": [33.0, 32.0], "c": [31.5]}
    scaled = {name: [7 * value for value in values] for name, values in fmds.items()}
    for name, estimate in estimates(fmds).items():
        other = estimates(scaled)[name]
        assert [7 * value for value in estimate.interval()] == pytest.approx(other.interval())
    assert chances_of_best(estimates(fmds)) == pytest.approx(chances_of_best(estimates(scaled)))


def test_the_chance_of_being_better_is_welchs() -> None:
    rng = np.random.default_rng(1)
    one, other = rng.normal(0, 1, 6), rng.normal(0.5, 3, 9)
    expected = stats.ttest_ind(one, other, equal_var=False, alternative="less").pvalue
    a, b = (Estimate(x.mean(), stats.sem(x), len(x) - 1) for x in (one, other))
    assert chance_of_better(a, b) == pytest.approx(1 - expected)
    assert chance_of_better(a, b) + chance_of_better(b, a) == pytest.approx(1)


def test_chances_of_the_best_sum_to_one_and_agree_with_the_pairwise_one() -> None:
    estimated = {"a": Estimate(0.0, 0.02, 50), "b": Estimate(0.03, 0.02, 50)}
    chances = chances_of_best(estimated)
    assert sum(chances.values()) == pytest.approx(1)
    assert chances["a"] == pytest.approx(chance_of_better(estimated["a"], estimated["b"]), abs=0.01)


def test_equal_values_without_spread_are_a_tie() -> None:
    assert may_be_best(estimates({"a": [30.0, 30.0], "b": [30.0, 30.0], "c": [31.0, 31.0]})) == ["a", "b"]


def test_a_race_begins_with_one_each_and_doubles_for_those_that_may_win() -> None:
    assert next_round({"a": [], "b": [], "c": []}, 8) == {"a": 1, "b": 1, "c": 1}
    assert next_round({"a": [30.0], "b": [31.0], "c": [90.0]}, 8) == {"a": 2, "b": 2}
    assert next_round({"a": [30.0, 30.1], "b": [31.0, 29.0], "c": [90.0]}, 8) == {"a": 4, "b": 4}
    assert next_round({"a": [30.0, 30.1], "b": [31.0, 29.0], "c": [90.0]}, 3) == {"a": 3, "b": 3}
    assert next_round({"a": [30.0, 30.1], "b": [31.0, 29.0], "c": [90.0]}, 2) == {}


def test_a_winner_far_ahead_still_has_two_seeds() -> None:
    assert next_round({"a": [30.0], "b": [90.0]}, 8) == {"a": 2}
    assert next_round({"a": [30.0, 30.3], "b": [90.0]}, 8) == {}
    assert next_round({"a": []}, 8) == {"a": 2}
    assert next_round({}, 8) == {}


@pytest.mark.parametrize("gap", [0.01, 0.03])
def test_a_race_finds_the_best_as_often_as_equal_repeats_and_its_intervals_cover(
    confirmation: ModuleType, gap: float
) -> None:
    tally = confirmation.simulate(replays=300, contenders=4, gap=gap, seeds=4)
    assert tally.raced >= tally.repeated
    assert 0.93 <= tally.covered / tally.intervals <= 0.97
    assert tally.trainings < 300 * 16
