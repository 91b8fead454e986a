"""Laws of early stopping: who goes on is a function of the reports in their order, and of nothing else."""

import itertools
import math
import random
from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.schedulers import TrialScheduler

from search.schedulers import ASHA, Halving

RUNGS = (100, 300, 900)


def report(images_seen: int, fmd: float, diverged: bool = False) -> dict[str, Any]:
    return {"images_seen": images_seen, "fmd": fmd, "diverged": diverged, "images_per_second": 10.0}


def random_reports(seed: int, trials: int = 30) -> list[tuple[str, dict[str, Any]]]:
    """The reports of trials that arrive in any order, each of them in the order of the rungs."""
    rng = random.Random(seed)
    waiting = [
        [(f"t{i}", report(rung, rng.uniform(1, 100), rng.random() < 0.1)) for rung in RUNGS] for i in range(trials)
    ]
    order = []
    while waiting:
        chosen = rng.choice(waiting)
        order.append(chosen.pop(0))
        waiting = [rest for rest in waiting if rest]
    return order


def play(reports: list[tuple[str, dict[str, Any]]], eta: int | None = 3) -> list[tuple[str, int, bool]]:
    """Give reports to fresh rungs, leaving out those of trials that were stopped, and return the decisions."""
    halving, stopped, decisions = Halving(RUNGS, eta), set(), []
    for name, entry in reports:
        if name not in stopped:
            goes_on = halving.goes_on(name, entry)
            decisions.append((name, entry["images_seen"], goes_on))
            if not goes_on:
                stopped.add(name)
    return decisions


@pytest.mark.parametrize("eta", [2, 3, 4])
@pytest.mark.parametrize("seed", range(5))
def test_a_trial_goes_on_if_it_is_among_the_best_of_those_that_came_before_it(seed: int, eta: int) -> None:
    reports = random_reports(seed)
    values = {(name, entry["images_seen"]): math.inf if entry["diverged"] else entry["fmd"] for name, entry in reports}
    diverged = {(name, entry["images_seen"]) for name, entry in reports if entry["diverged"]}
    at: dict[int, list[float]] = {rung: [] for rung in RUNGS}
    for name, rung, goes_on in play(reports, eta):
        at[rung].append(values[name, rung])
        allowed = sorted(at[rung])[: max(1, len(at[rung]) // eta)]
        expected = rung < RUNGS[-1] and (name, rung) not in diverged and values[name, rung] <= allowed[-1]
        assert goes_on == expected


@pytest.mark.parametrize("seed", range(5))
def test_rungs_are_rebuilt_from_the_reports_wherever_a_search_was_cut_off(seed: int) -> None:
    decided = play(random_reports(seed))
    heard = {(name, rung) for name, rung, _ in decided}
    reports = [(name, entry) for name, entry in random_reports(seed) if (name, entry["images_seen"]) in heard]
    for cut in range(0, len(reports), 7):
        again = Halving(RUNGS, 3)
        decisions = [again.goes_on(name, entry) for name, entry in itertools.chain(reports[:cut], reports[cut:])]
        assert decisions == [goes_on for _, _, goes_on in decided]


def test_the_first_at_each_rung_goes_on_and_the_full_budget_ends_every_trial() -> None:
    halving = Halving(RUNGS, 3)
    assert [halving.goes_on("a", report(rung, 1e9)) for rung in RUNGS] == [True, True, False]


def test_worse_and_worse_trials_stop_at_the_first_rung_and_better_and_better_ones_go_on() -> None:
    assert [on for _, _, on in play([(f"t{i}", report(100, float(i))) for i in range(9)], 3)] == [True] + 8 * [False]
    assert all(on for _, _, on in play([(f"t{i}", report(100, float(-i))) for i in range(9)], 3))


def test_a_repeated_report_changes_nothing_even_when_better_trials_came_meanwhile() -> None:
    halving = Halving(RUNGS, 3)
    assert halving.goes_on("a", report(100, 50.0))
    for i in range(6):
        halving.goes_on(f"better{i}", report(100, float(i)))
    assert halving.goes_on("a", report(100, 50.0))
    assert not halving.goes_on("b", report(100, 50.0))


def test_a_diverged_trial_stops_and_does_not_raise_the_bar() -> None:
    halving = Halving(RUNGS, 3)
    assert not halving.goes_on("diverged", report(100, 8.0, diverged=True))
    assert halving.goes_on("young", report(100, 4000.0))


@pytest.mark.parametrize("seed", range(3))
def test_without_a_reduction_factor_only_divergence_and_the_full_budget_stop(seed: int) -> None:
    diverged = {(name, entry["images_seen"]) for name, entry in random_reports(seed) if entry["diverged"]}
    for name, rung, goes_on in play(random_reports(seed), eta=None):
        assert goes_on == (rung < RUNGS[-1] and (name, rung) not in diverged)


def test_ray_is_told_what_the_rungs_say_by_the_trials_own_name() -> None:
    scheduler = ASHA(Halving(RUNGS, 3), has_time=lambda seconds: True)
    decisions = [
        scheduler.on_trial_result(None, SimpleNamespace(config={"trial": name}), report(100, fmd))  # type: ignore[arg-type]
        for name, fmd in (("a", 5.0), ("b", 6.0), ("c", 4.0))
    ]
    assert decisions == [TrialScheduler.CONTINUE, TrialScheduler.STOP, TrialScheduler.CONTINUE]


def test_a_trial_stops_where_it_could_not_reach_its_next_rung_in_time() -> None:
    asked: list[float] = []

    def has_time(seconds: float) -> bool:
        asked.append(seconds)
        return seconds <= 20

    scheduler, trial = ASHA(Halving(RUNGS, None), has_time), SimpleNamespace(config={"trial": "a"})
    decisions = [scheduler.on_trial_result(None, trial, report(rung, 1.0)) for rung in RUNGS]  # type: ignore[arg-type]
    assert decisions == [TrialScheduler.CONTINUE, TrialScheduler.STOP, TrialScheduler.STOP]
    assert asked == [20.0, 60.0]
