"""The simulator on the recorded curves, by which the default scheduler is chosen."""

import math
from types import ModuleType

import numpy as np
import pytest

from search.schedulers import SCHEDULERS
from tests.helpers.tools import load_benchmark

SLOTS, REPLAYS = 2, 100


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    """The script that prints the table of schedulers."""
    return load_benchmark("schedulers")


@pytest.fixture(scope="module")
def rungs(benchmark: ModuleType) -> tuple[int, ...]:
    return tuple(sorted(set(benchmark.pq.read_table(benchmark.CURVES)["images_seen"].to_pylist())))


def test_recorded_curves_are_whole(benchmark: ModuleType, rungs: tuple[int, ...]) -> None:
    curves = benchmark.load(benchmark.CURVES, rungs)
    assert rungs == (4_000, 12_000, 36_000, 108_000)
    for curve in curves:
        assert all(value > 0 for value in curve.fmd)
        assert all(value > 0 for value in curve.seconds)
        finite = [math.isfinite(value) for value in curve.fmd]
        assert finite == sorted(finite, reverse=True)  # a trial that has diverged stays diverged


def test_rungs_left_out_keep_the_training_and_drop_the_scoring(benchmark: ModuleType, rungs: tuple[int, ...]) -> None:
    every, last = benchmark.load(benchmark.CURVES, rungs), benchmark.load(benchmark.CURVES, rungs[-1:])
    for whole, short in zip(every, last, strict=True):
        assert short.fmd == whole.fmd[-1:]
        assert 0.5 * sum(whole.seconds) < short.seconds[0] < sum(whole.seconds)


def test_of_random_trials_in_full_the_images_are_those_of_a_geometric_law(
    benchmark: ModuleType, rungs: tuple[int, ...]
) -> None:
    curves = benchmark.load(benchmark.CURVES, rungs[-1:])
    played = benchmark.orders(curves, 400)
    spent = [benchmark.until_found(SCHEDULERS["none"](rungs[-1:], 3), curves, order, 1)[0] for order in played]
    count, best = len(curves), len(benchmark.best_of(curves))
    # Drawn without replacement, the first of `best` among `count` comes on average at (count + 1) / (best + 1).
    assert np.mean(spent) / rungs[-1] == pytest.approx((count + 1) / (best + 1), rel=0.15)


def test_the_default_needs_half_of_the_images_of_random_search_and_no_more_than_i_epoch(
    benchmark: ModuleType, rungs: tuple[int, ...]
) -> None:
    curves, alone = benchmark.load(benchmark.CURVES, rungs), benchmark.load(benchmark.CURVES, rungs[-1:])
    played = benchmark.orders(curves, REPLAYS)
    random = benchmark.quantiles(
        [benchmark.until_found(SCHEDULERS["none"](rungs[-1:], 3), alone, order, SLOTS) for order in played]
    )
    default = benchmark.quantiles(
        [benchmark.until_found(SCHEDULERS["asha"](rungs, 3), curves, order, SLOTS) for order in played]
    )
    ladders = [rungs[begin:] for begin in range(len(rungs) - 1)]
    epochs = [benchmark.iepoch(ladder, benchmark.load(benchmark.CURVES, ladder), played, SLOTS) for ladder in ladders]
    assert default[1] <= random[1] / 2
    assert default[2] <= random[2] / 2
    assert default[1] <= min(spent[1] for spent in epochs)
    assert default[2] <= min(spent[2] for spent in epochs)
