"""Laws of the reserve: what a confirmation takes, what of a budget is kept back for it, and what there is time for."""

import math
import random
from itertools import pairwise

import pytest

from search.reserve import (
    CHECK_SECONDS,
    GROWTH,
    MOST,
    SEEDS,
    UNKNOWN,
    Cost,
    Judging,
    affordable,
    check_seconds,
    cost,
    in_waves,
    needed,
    reserve,
)
from trainables.report import GUIDANCES, Report

COST = Cost(training=100.0, test=10.0)


def some_costs(rng: random.Random, count: int) -> list[Cost]:
    return [Cost(rng.uniform(10, 200), rng.uniform(1, 20)) for _ in range(count)]


def test_a_cost_is_that_of_the_full_budget_with_the_samples_of_the_confirmation() -> None:
    values = {"images_per_second": 1_000.0, "sample_seconds": 2.0, "score_seconds": 0.5, "setup_seconds": 3.0}
    slow_first = Report.from_dict({**values, "images_per_second": 400.0, "sample_seconds": 20.0})
    judged = 8**GROWTH * 2.5
    assert cost([slow_first, Report.from_dict(values)], 108_000, Judging(8)) == Cost(3 + 108 + judged, 3 + judged)
    scored_between = Report.from_dict({**values, "sample_seconds": 8.0, "score_seconds": 2.0, "between_at": (1, 2, 3)})
    two_sets = Report.from_dict({**values, "sample_seconds": 4.0, "score_seconds": 1.0, "draws": 2})
    for report in (scored_between, two_sets):
        assert cost([report], 108_000, Judging(8)) == Cost(3 + 108 + judged, 3 + judged)
    nothing_trained = Report.from_dict({**values, "images_per_second": 0.0})
    assert cost([nothing_trained], 108_000, Judging(1)) == Cost(5.5, 5.5)
    assert cost([Report.from_dict({})], 108_000, Judging(8)) == Cost(0, 0)  # of a version without these numbers


def test_samples_are_checked_after_a_training_and_not_on_the_test_images() -> None:
    report = Report.from_dict({"images_per_second": 1_000.0, "sample_seconds": 2.0})
    without, with_checks = (cost([report], 9_000, Judging(1, checks)) for checks in (0.0, 3.0))
    assert (with_checks.training, with_checks.test) == (without.training + 3, without.test)
    assert check_seconds(2_048, 50_000) == CHECK_SECONDS == 10 * check_seconds(1_024, 10_000)


def test_one_training_of_each_that_chooses_its_guidance_takes_longer() -> None:
    report = Report.from_dict({"images_per_second": 1_000.0, "sample_seconds": 2.0, "score_seconds": 1.0})
    without, choosing = (cost([report], 9_000, Judging(8), chooses=chooses) for chooses in (False, True))
    assert choosing.test == without.test
    assert SEEDS * (choosing.training - without.training) == pytest.approx((1 + len(GUIDANCES)) * 3)


def test_what_a_confirmation_has_trained_is_not_planned_again() -> None:
    costs = [
        cost([Report.from_dict({"images_per_second": 1.0})], 100, Judging(1), trained) for trained in range(SEEDS + 2)
    ]
    assert [one.seeds for one in costs] == [*range(SEEDS, 0, -1), 0, 0]
    times = [needed([one], slots=1) for one in costs]
    assert [before - after for before, after in pairwise(times)] == pytest.approx([100.0] * SEEDS + [0.0])


def test_tasks_run_in_waves_with_the_longest_first() -> None:
    assert in_waves([5.0] * 6, slots=2) == 15
    assert in_waves([5.0] * 7, slots=2) == 20
    assert in_waves([1.0, 9.0, 2.0, 8.0], slots=2) == 9 + 2
    assert in_waves([], slots=2) == 0


@pytest.mark.parametrize("seed", range(5))
def test_the_reserve_grows_with_contenders_and_falls_with_slots(seed: int) -> None:
    rng = random.Random(seed)
    costs = some_costs(rng, 6)
    by_contenders = [needed(costs[:count], slots=2) for count in range(7)]
    assert by_contenders == sorted(by_contenders)
    by_slots = [reserve(costs, 6, slots, limit=5_000) for slots in range(1, 20)]
    assert by_slots == sorted(by_slots, reverse=True)
    assert by_slots[0] > by_slots[-1] >= max(one.training for one in costs)


@pytest.mark.parametrize("limit", [1.0, 60.0, 600.0, 1e6])
def test_no_more_than_a_share_of_the_budget_is_kept_back(limit: float) -> None:
    assert reserve([COST] * 3, 3, slots=2, limit=limit) <= MOST * limit
    assert reserve([], 3, slots=2, limit=limit) == UNKNOWN * limit
    assert UNKNOWN <= MOST < 1


def test_nothing_is_kept_back_for_a_contender_that_takes_more_than_may_be_kept_back() -> None:
    dear = Cost(450.0, 1.0)
    assert reserve([dear], 1, slots=2, limit=600) == 0
    assert reserve([COST, dear], 2, slots=2, limit=600) == reserve([COST], 1, slots=2, limit=600) > 0
    almost = Cost(340.0, 40.0)
    assert reserve([almost], 1, slots=2, limit=600) == MOST * 600


def test_without_a_confirmation_nothing_is_kept_back() -> None:
    assert reserve([], 0, slots=2, limit=600) == reserve([COST], 0, slots=2, limit=600) == 0


def test_contenders_that_are_not_known_yet_cost_the_mean_of_those_that_are() -> None:
    costs = [Cost(50.0, 5.0), Cost(70.0, 15.0)]
    assert reserve(costs, 4, slots=1, limit=1e6) == pytest.approx(needed([*costs, *[Cost(60.0, 10.0)] * 2], slots=1))


def test_the_contenders_that_there_is_time_for_are_the_first_that_fit() -> None:
    dear = Cost(1_000.0, 10.0)
    enough = needed([COST] * 2, slots=2)
    assert affordable([COST] * 3, slots=2, left=enough) == [0, 1]
    assert affordable([COST, dear, COST], slots=2, left=enough) == [0, 2]
    assert affordable([COST] * 3, slots=2, left=math.inf) == [0, 1, 2]
    assert affordable([COST] * 3, slots=2, left=0) == affordable([], slots=2, left=600) == []


def test_the_best_is_trained_again_even_if_there_is_no_time_for_all_of_its_seeds() -> None:
    left = COST.training + 10
    assert needed([COST], slots=1) > SEEDS * left * 0.9
    assert affordable([COST, COST], slots=1, left=left) == [0]
