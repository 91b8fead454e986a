"""What other networks say of the order: within seeds, of all configurations or nothing."""

from typing import Any

import pytest

from analysis.statistics.opinions import opinions
from trainables.report import OTHERS

SEEDS = {0: 0.8, 1: 1.25, 2: 1.0, 3: 1.1}  # what a seed does to all configurations


def rows(**distances: dict[str, float | None]) -> list[dict[str, Any]]:
    """Trainings of configurations by name, with the distances of each network at a seed that does nothing."""
    return [
        {
            "repeats": name,
            "seed": seed,
            **{network: None if value is None else value * effect for network, value in by_network.items()},
        }
        for name, by_network in distances.items()
        for seed, effect in SEEDS.items()
    ]


def test_each_network_orders_the_configurations_by_its_own_distance() -> None:
    first, second = OTHERS
    found = opinions(rows(a={first: 2.0, second: 6.0}, b={first: 2.5, second: 5.0}), "a")
    assert [(opinion.name, list(opinion.means)) for opinion in found] == [(first, ["a", "b"]), (second, ["b", "a"])]
    assert found[0].means == pytest.approx({"a": 2.0 * 1.0241, "b": 2.5 * 1.0241}, rel=1e-3)
    assert (found[0].first, found[0].behind) == ("a", None)


def test_how_far_the_best_is_behind_is_known_within_seeds_although_seeds_differ_more() -> None:
    first, second = OTHERS
    (_, other) = opinions(rows(a={first: 2.0, second: 5.5}, b={first: 2.5, second: 5.0}), "a")
    assert other.behind.share == pytest.approx(0.1)
    assert other.behind.certain
    assert other.behind.seeds == len(SEEDS)


@pytest.mark.parametrize("b", [{}, {"by_labels": None}])
def test_a_network_that_has_not_measured_all_says_nothing(b: dict[str, float | None]) -> None:
    missing = dict.fromkeys(OTHERS)
    assert opinions(rows(a=dict.fromkeys(OTHERS, 2.0), b={**missing, **b}), "a") == ()
