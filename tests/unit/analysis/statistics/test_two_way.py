"""Laws of the estimates from shared seeds: closed forms where there are any, a known truth where there are none."""

import math
from types import ModuleType

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.confidence import CHANCE, may_be_best
from analysis.statistics.two_way import LOOK_LEVEL, SPREAD, SPREAD_DOF, estimates
from tests.helpers.tools import load_benchmark

SEEDS = {0: 1.0, 1: 1.1, 2: 0.93, 3: 1.02}  # what each does to all configurations
LUCK = {"a": (1.0, 1.01, 0.99, 1.0), "b": (1.0, 0.99, 1.0, 1.01), "c": (1.01, 1.0, 1.0, 0.99)}
MEANS = {"a": 30.0, "b": 31.5, "c": 40.0}
FMDS = {name: {seed: MEANS[name] * SEEDS[seed] * LUCK[name][seed] for seed in SEEDS} for name in MEANS}


@pytest.fixture(scope="module")
def confirmation() -> ModuleType:
    """The simulation of tests/benchmarks/."""
    return load_benchmark("confirmation")


def test_one_configuration_alone_has_a_moderated_interval_of_students_t() -> None:
    logs = np.log([30.0, 31.0, 29.5, 30.2])
    variance = (SPREAD_DOF * SPREAD**2 + ((logs - logs.mean()) ** 2).sum()) / (SPREAD_DOF + 3)
    half = stats.t.ppf(0.975, SPREAD_DOF + 3) * math.sqrt(variance / 4)
    expected = [math.exp(logs.mean() + sign * half) for sign in (0, -1, 1)]
    assert estimates({"a": dict(enumerate(np.exp(logs)))}).mean("a") == pytest.approx(expected)


def test_a_difference_is_that_within_seeds_whatever_a_seed_does_to_all() -> None:
    found = estimates(FMDS).difference("b", "a")
    assert found.mean == pytest.approx(np.mean([math.log(FMDS["b"][seed] / FMDS["a"][seed]) for seed in SEEDS]))
    moved = {name: {seed: fmd / SEEDS[seed] ** 2 for seed, fmd in values.items()} for name, values in FMDS.items()}
    other = estimates(moved).difference("b", "a")
    assert (other.mean, other.error, other.dof) == pytest.approx((found.mean, found.error, found.dof))


def test_shared_seeds_tell_apart_what_the_means_alone_do_not() -> None:
    shared = estimates(FMDS)
    low, high = shared.mean("a")[1:]
    assert low < shared.mean("b")[0] < high
    assert may_be_best(shared) == ["a"]
    apart = {name: {(10 * place + seed): fmd for seed, fmd in FMDS[name].items()} for place, name in enumerate(FMDS)}
    assert "b" in may_be_best(estimates(apart))


def test_a_configuration_with_fewer_seeds_is_compared_on_those_that_it_has() -> None:
    fewer = FMDS | {"c": {1: FMDS["c"][1]}}
    found = estimates(fewer)
    assert found.mean("c")[0] == pytest.approx(40.0, rel=0.02)  # 44 with its seed, which is a bad one
    assert found.difference("c", "a").mean == pytest.approx(math.log(FMDS["c"][1] / FMDS["a"][1]), abs=0.02)


def test_lucky_seeds_give_no_interval_without_width() -> None:
    found = estimates({"a": {0: 30.0, 1: 30.0}, "b": {0: 30.1, 1: 30.1}})
    _, low, high = found.mean("a")
    assert high / low > 1 + SPREAD
    _, low, high = found.difference("b", "a").ratio()
    assert low < 1 < high
    assert set(may_be_best(found)) == {"a", "b"}


def test_units_and_the_order_of_configurations_do_not_matter() -> None:
    fmds = {"a": {0: 30.0, 1: 31.0}, "b": {0: 33.0, 1: 32.0}, "c": {0: 31.5}}
    one = estimates(fmds)
    scaled = estimates({name: {seed: 7 * fmd for seed, fmd in fmds[name].items()} for name in reversed(fmds)})
    for name in fmds:
        assert [7 * value for value in one.mean(name)] == pytest.approx(scaled.mean(name))
    assert one.difference("a", "b").ratio() == pytest.approx(scaled.difference("a", "b").ratio())
    assert one.chances_of_best() == pytest.approx(scaled.chances_of_best(), abs=0.02)


def test_a_difference_leaves_out_zero_exactly_where_a_configuration_cannot_be_the_best() -> None:
    found = estimates(FMDS)
    for name in ("b", "c"):
        difference = found.difference(name, "a")
        assert (difference.chance < CHANCE) == (difference.ratio()[1] > 1)
        assert difference.chance + found.difference("a", name).chance == pytest.approx(1)
    assert pytest.approx(1 - LOOK_LEVEL) == 2 * CHANCE


def test_chances_of_the_best_sum_to_one_and_agree_with_the_pairwise_one() -> None:
    found = estimates({name: FMDS[name] for name in ("a", "b")})
    chances = found.chances_of_best()
    assert sum(chances.values()) == pytest.approx(1)
    assert chances["a"] == pytest.approx(found.difference("a", "b").chance, abs=0.01)


@pytest.mark.parametrize("rho", [0.87, 0.97])
def test_where_seeds_are_shared_intervals_cover_and_equals_are_not_called_the_best(
    confirmation: ModuleType, rho: float
) -> None:
    tally = confirmation.simulate(confirmation.Scenario(rho=rho), replays=200)
    assert tally["false"] <= 0.05 * 200
    for what in ("means", "differences"):
        assert tally[f"{what} covered"] / tally[what] >= 0.93


def test_where_seeds_are_shared_the_best_is_found_with_fewer_trainings_than_without_pairs(
    confirmation: ModuleType,
) -> None:
    tally = confirmation.simulate(confirmation.Scenario(gap=0.03, rho=0.97, seeds=8), replays=200)
    assert tally["named"] > 0.9 * 200 > 1.5 * tally["old named"]
    assert tally["trainings"] < tally["old trainings"]
