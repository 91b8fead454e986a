"""Effects are means with intervals that hold; a rung's correlation is scipy's, and says whom it leaves out."""

import math
import random
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from analysis.run.events import from_json
from analysis.run.run import Run
from analysis.statistics.comparable_trials import comparable_trials
from analysis.statistics.effects import Effect, effects
from analysis.statistics.rung_correlation import interval, rung_correlation
from tests.helpers.fake_runs import IMAGES, add_trial


def by_option(run: Run, name: str) -> dict[str, Effect]:
    return {effect.option: effect for effect in effects(run) if effect.name == name}


def test_an_effect_is_a_geometric_mean_with_the_interval_of_students_t(tmp_path: Path) -> None:
    draw = random.Random(0)
    run = Run.create(tmp_path, "two")
    fmds = {kind: [draw.lognormvariate(4, 0.5) for _ in range(count)] for kind, count in (("cosine", 9), ("linear", 5))}
    for kind, values in fmds.items():
        for fmd in values:
            add_trial(run, {"schedule/kind": kind}, [fmd])
    add_trial(run, {"schedule/kind": "logistic"}, [1.0], baseline="A6")
    found = by_option(run, "schedule/kind")
    assert {option: effect.trials for option, effect in found.items()} == {"cosine": 9, "linear": 5}
    for kind, values in fmds.items():
        assert found[kind].fmd == pytest.approx(stats.gmean(values))
    margins = [math.log(effect.high / effect.fmd) for effect in found.values()]
    assert margins == pytest.approx([math.log(effect.fmd / effect.low) for effect in found.values()])
    difference = stats.ttest_ind(np.log(fmds["cosine"]), np.log(fmds["linear"])).confidence_interval(0.95)
    assert math.hypot(*margins) == pytest.approx((difference.high - difference.low) / 2)  # t s sqrt(1/9 + 1/5)


def test_the_interval_of_a_choice_without_influence_covers_the_truth_in_95_of_100(tmp_path: Path) -> None:
    covered = []
    for seed in range(30):
        draw = random.Random(seed)
        run = Run.create(tmp_path, f"none-{seed}")
        for number in range(12):
            add_trial(run, {"training/batch": (32, 64, 128)[number % 3]}, [draw.lognormvariate(4, 0.6)])
        covered += [effect.low <= math.exp(4) <= effect.high for effect in effects(run)]
    assert len(covered) == 90
    assert 78 <= sum(covered) < 90  # binomial of 90 and 0.95: 78 or more in 99.9 %, all 90 in 1 %


def test_words_come_best_first_and_numbers_in_order(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "order")
    for number in range(12):
        kind, steps = ("b", "a", "c")[number % 3], (100, 20, 5)[number % 3]
        add_trial(run, {"sampler/kind": kind, "sampler/steps": steps}, [50.0 + 10 * (number % 3) + number / 10])
    assert list(by_option(run, "sampler/kind")) == ["b", "a", "c"]
    assert list(by_option(run, "sampler/steps")) == ["5", "20", "100"]


@pytest.mark.parametrize("seed", [0, 3, 6, 9])
def test_thirds_of_a_range_hold_every_trial_once_in_order(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    run = Run.create(tmp_path, "thirds")
    default = draw.uniform(0, 1)
    for _ in range(draw.randint(20, 40)):
        add_trial(run, {"training/lr": default if draw.random() < seed / 10 else draw.uniform(0, 1)}, [50.0])
    compared = comparable_trials(run)
    groups = [[trial.variant["training/lr"] for trial in trials] for trials in compared.groups("training/lr").values()]
    assert sorted(chain(*groups)) == sorted(compared.values("training/lr"))
    assert all(max(below) < min(above) for below, above in pairwise(groups))
    if seed == 0:
        assert max(map(len, groups)) - min(map(len, groups)) <= 2


def test_a_default_that_many_share_is_a_choice_of_its_own(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "default")
    for number in range(27):
        add_trial(run, {"training/lr": 0.002 if number % 2 else 0.00105 + 0.0001 * number}, [50.0 + number])
    assert by_option(run, "training/lr")["0.002"].trials == 13
    assert list(by_option(run, "training/lr")) == ["0.00105..0.00185", "0.002", "0.00205..0.00365"]


def test_numbers_of_one_short_text_are_choices_of_their_own(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "close")
    for number in range(30):
        add_trial(run, {"training/lr": (0.0081234, 0.0081236, 0.1)[number % 3]}, [50.0 + number])
    found = by_option(run, "training/lr")
    assert {option: effect.trials for option, effect in found.items()} == {"0.008123": 10, "0.008124": 10, "0.1": 10}


def test_thirds_of_one_short_text_keep_all_trials(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "thirds")
    for number in range(30):
        add_trial(run, {"training/lr": 0.00812 + 1e-9 * number}, [50.0 + number])
    assert sum(effect.trials for effect in by_option(run, "training/lr").values()) == 30


def test_what_diverged_counts_as_a_blank_set_and_what_was_tried_once_says_nothing(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "blank")
    for number in range(6):
        add_trial(
            run,
            {"a": "x" if number % 2 else "y", "b": str(number)},
            [700.0 if number == 1 else 50.0],
            diverged=number == 1,
        )
    assert by_option(run, "a")["x"].fmd == pytest.approx((700.0 * 50.0 * 50.0) ** (1 / 3))
    assert by_option(run, "b") == {}


def test_a_choice_of_one_trial_has_no_interval(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "one")
    for number in range(7):
        add_trial(run, {"schedule/kind": "linear" if number == 3 else "cosine"}, [50.0 + number])
    found = by_option(run, "schedule/kind")
    assert (found["linear"].fmd, found["linear"].low, found["linear"].high) == (pytest.approx(53), None, None)
    assert found["cosine"].low is not None


def test_a_run_without_trials_of_its_own_has_no_effects(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "literature")
    assert (effects(run), rung_correlation(run), comparable_trials(run)) == ([], [], None)
    add_trial(run, {"schedule/kind": "linear"}, [90.0], baseline="A0")
    assert (effects(run), comparable_trials(run)) == ([], None)


@pytest.mark.parametrize("seed", range(2))
def test_rank_correlations_are_those_of_scipy(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    run = Run.create(tmp_path, "rungs")
    curves = [[draw.choice([50.0, draw.uniform(40, 60)]) for _ in range(3)] for _ in range(15)]
    for number, curve in enumerate(curves):
        add_trial(run, {}, curve, baseline="A0" if number == 3 else "")
    found = rung_correlation(run)
    assert [(row.images_seen, row.final, row.trials) for row in found] == [
        (IMAGES[0], IMAGES[2], 15),
        (IMAGES[1], IMAGES[2], 15),
    ]
    for row, values in zip(found, zip(*curves, strict=True), strict=False):
        final = [curve[2] for curve in curves]
        assert row.spearman == pytest.approx(stats.spearmanr(values, final).statistic)
        assert row.kendall == pytest.approx(stats.kendalltau(values, final).statistic)
        assert row.low <= row.spearman <= row.high
        assert not row.stopped


def test_trials_that_were_stopped_make_a_correlation_one_of_survivors(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "stopped")
    for number in range(6):
        add_trial(run, {}, [10.0 + number, 9.0 + number, 8.0 - number])
    add_trial(run, {}, [99.0, 98.0], "RUNNING")
    assert [row.stopped for row in rung_correlation(run)] == [0, 0]
    add_trial(run, {}, [99.0, 98.0], "PRUNED")
    add_trial(run, {}, [99.0], "PRUNED")
    found = rung_correlation(run)
    assert [(row.stopped, row.trials, row.spearman) for row in found] == [
        (2, 6, pytest.approx(-1)),
        (1, 6, pytest.approx(-1)),
    ]


def test_the_final_budget_is_one_that_enough_trials_reached(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "few")
    for number in range(8):
        add_trial(run, {}, [50.0 + number, 40.0 + number, 30.0][: 3 if number < 4 else 2])
    assert [(row.images_seen, row.final, row.trials) for row in rung_correlation(run)] == [(IMAGES[0], IMAGES[1], 8)]


def test_what_diverged_later_has_the_last_place(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "diverged")
    for number in range(6):
        add_trial(run, {}, [10.0 + number, 20.0 + number])
    add_trial(run, {}, [99.0])
    run.append(from_json({"event": "report", "trial": "006", "images_seen": IMAGES[1], "fmd": 1.0, "diverged": True}))
    assert [row.spearman for row in rung_correlation(run)] == [pytest.approx(1)]


@pytest.mark.parametrize("rho", [0.0, 0.7, 0.95])
def test_the_interval_covers_the_correlation_of_normal_pairs_in_95_of_100(rho: float) -> None:
    truth = 6 / math.pi * math.asin(rho / 2)  # Spearman's correlation of a bivariate normal distribution
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        x, y = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], 20).T
        low, high = interval(float(stats.spearmanr(x, y).statistic), 20)
        covered += low <= truth <= high
    assert 0.92 < covered / 400 < 0.98  # standard error 0.011


def test_five_trials_in_the_same_order_are_no_proof() -> None:
    low, high = interval(1.0, 5)
    assert low < 0
    assert high == 1
    assert interval(-1.0, 5) == pytest.approx((-high, -low))
    assert interval(1.0, 50)[0] > 0.99
