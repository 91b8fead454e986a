"""At equal seconds a trial is compared by what its reports say of that moment, and by nothing else."""

import random

import pyarrow as pa
import pytest

from analysis.run.events import End, Start
from analysis.run.tables import Fold
from analysis.statistics.equal_seconds import rank_at_seconds
from analysis.statistics.ranking import MetricCard, rank
from analysis.statistics.readings import ENDED, INTERPOLATED, MEASURED, Curve, Reading, curves_of, levels_of
from trainables.config import Flat
from trainables.report import Report

RUNGS = (1_000, 3_000, 9_000)
CARD: MetricCard = {"floor": 10.0, "blank": 510.0}


def curve(*points: tuple[float, float], ended: bool = False) -> Curve:
    """A curve of (seconds, fmd), with a hundred images a second and a standard error of a tenth of FMD."""
    return Curve(tuple(Reading(MEASURED, s, 100 * s, fmd, fmd / 10) for s, fmd in points), ended)


class Trials:
    """Events of trials, folded into tables; a trial that takes a second for 1,000 images has pace 1."""

    def __init__(self) -> None:
        self.fold = Fold()

    def add(self, name: str, fmds: list[float], pace: float = 1.0, state: str = "COMPLETE", **more: object) -> None:
        number, before = self.fold.trials.num_rows, 0
        variant: Flat = {"training/lr": 0.001 * (1 + number), "training/patience": int(str(more.pop("patience", 0)))}
        self.fold.add(Start(name, number, number, "", variant, None))
        for rung, fmd in enumerate(fmds):
            seconds = pace * (RUNGS[rung] - before) / 1000
            values = {"trial": name, "images_seen": RUNGS[rung], "rung": rung, "fmd": fmd, "fmd_se": 1.0}
            speed = {"train_seconds": seconds, "images_per_second": 1000 / pace}
            self.fold.add(Report.from_dict({**values, **speed, **more}))
            before = RUNGS[rung]
        self.fold.add(End(name, state))  # type: ignore[arg-type]

    def at_seconds(self) -> pa.Table:
        return rank_at_seconds(self.fold.trials, self.fold.curves, CARD)

    def rows(self) -> dict[str, dict[str, object]]:
        return {row["trial"]: row for row in self.at_seconds().to_pylist()}


@pytest.mark.parametrize("seed", range(10))
def test_between_two_reports_a_value_lies_between_theirs(seed: int) -> None:
    draw = random.Random(seed)
    seconds = sorted(draw.uniform(0.01, 1000) for _ in range(6))
    given = curve(*((s, draw.lognormvariate(4, 2)) for s in seconds))
    for a, b in zip(given.reports, given.reports[1:], strict=False):
        places = sorted(draw.uniform(a.seconds, b.seconds) for _ in range(20))
        found = [given.at(place) for place in places]
        for place, reading in zip(places, found, strict=True):
            assert (reading.kind, reading.seconds) == (INTERPOLATED, place)
            assert min(a.fmd, b.fmd) <= reading.fmd <= max(a.fmd, b.fmd)
            assert min(a.fmd, b.fmd) / 10 <= reading.fmd_se * (1 + 1e-12)
            assert reading.fmd_se <= max(a.fmd, b.fmd) / 10 * (1 + 1e-12)
            assert a.images_seen <= reading.images_seen <= b.images_seen
        fmds = [reading.fmd for reading in found if reading is not None]
        assert fmds == sorted(fmds, reverse=a.fmd > b.fmd)


def test_a_power_law_is_interpolated_exactly() -> None:
    given = curve(*((s, 100 * s**-0.7) for s in (1.0, 3.0, 27.0)))
    for seconds in (1.5, 3.0, 10.0, 26.0):
        reading = given.at(seconds)
        assert reading.fmd == pytest.approx(100 * seconds**-0.7)
        assert reading.fmd_se == pytest.approx(10 * seconds**-0.7)
        assert reading.images_seen == pytest.approx(100 * seconds)


def test_nothing_is_known_beyond_the_reports_unless_training_ended_by_itself() -> None:
    points = ((2.0, 90.0), (6.0, 60.0))
    assert curve(*points).at(1.99) is None
    assert curve(*points).at(6.01) is None
    assert curve(*points, ended=True).at(1.99) is None
    ended = curve(*points, ended=True).at(100.0)
    assert (ended.kind, ended.seconds, ended.fmd) == (ENDED, 6.0, 60.0)
    for seconds, fmd in points:
        report = curve(*points).at(seconds)
        assert (report.kind, report.fmd) == (MEASURED, fmd)


def test_one_report_is_known_at_its_own_seconds_only() -> None:
    assert [curve((2.0, 90.0)).at(seconds) is None for seconds in (1.9, 2.0, 2.1)] == [True, False, True]


def test_seconds_add_up_and_reports_without_training_have_no_place_on_a_curve() -> None:
    rows = [
        {"trial": "a", "train_seconds": seconds, "images_seen": images, "fmd": 9.0, "fmd_se": None}
        for seconds, images in ((None, 0), (0.0, 1), (2.0, 2), (4.0, 3))
    ]
    rows += [{**rows[0], "trial": "b"}]
    curves = curves_of(rows)
    assert list(curves) == ["a"]
    assert [report.seconds for report in curves["a"].reports] == [2.0, 6.0]
    assert levels_of([]) == []


def test_a_level_is_the_time_of_the_fastest_and_a_training_that_ended_by_itself_makes_none() -> None:
    slow = Curve(tuple(Reading(MEASURED, 2.0 * images, images, 50.0, 1.0) for images in (1, 3, 9)))
    fast = Curve(tuple(Reading(MEASURED, 1.0 * images, images, 50.0, 1.0) for images in (1, 3)))
    early = Curve(tuple(Reading(MEASURED, 1.5, images, 50.0, 1.0) for images in (1, 3, 9)), ended=True)
    assert levels_of([slow, fast, early]) == [1.0, 3.0, 18.0]
    assert levels_of([early]) == [1.5]


@pytest.mark.parametrize("seed", range(5))
def test_at_equal_speed_the_order_is_that_at_equal_images(seed: int) -> None:
    draw, trials = random.Random(seed), Trials()
    for number in range(30):
        fmds = [draw.choice([50.0, draw.lognormvariate(4, 1)]) for _ in range(draw.randint(0, 3))]
        state = draw.choice(["COMPLETE", "PRUNED", "FAILED", "PAUSED"])
        trials.add(f"{number:03d}", fmds, pace=1.7, state=state, diverged=draw.random() < 0.1)
    by_images = rank(trials.fold.trials, 10.0).to_pylist()
    by_seconds = trials.at_seconds().to_pylist()
    names = ("trial", "rank", "tied", "images_seen", "fmd", "fmd_se")
    ranked = [[{name: row[name] for name in names} for row in rows if row["rank"]] for rows in (by_images, by_seconds)]
    assert ranked[0] == ranked[1]
    assert {row["reading"] for row in by_seconds if row["rank"]} == {MEASURED}


def test_a_trial_twice_as_slow_is_compared_after_half_its_images() -> None:
    trials = Trials()
    trials.add("fast", [100.0, 60.0, 40.0])
    trials.add("slow", [90.0, 50.0, 36.0], pace=2.0)
    assert rank(trials.fold.trials, None)["trial"].to_pylist() == ["slow", "fast"]
    rows = trials.rows()
    assert list(rows) == ["fast", "slow"]
    assert [row["seconds"] for row in rows.values()] == [9.0, 9.0]
    assert [row["images_seen"] for row in rows.values()] == [9_000, 4_500]
    assert [row["reading"] for row in rows.values()] == [MEASURED, INTERPOLATED]
    assert rows["slow"]["train_seconds"] == 18.0
    # log(9 / 6) of log(18 / 6) on the way from 50 to 36
    assert rows["slow"]["fmd"] == pytest.approx(50 * (36 / 50) ** 0.36907)
    assert rows["fast"]["fmd_normalised"] == pytest.approx(30 / 500)


def test_values_within_two_standard_errors_tie() -> None:
    trials = Trials()
    trials.add("fast", [100.0, 60.0, 40.0])
    trials.add("near", [100.0, 42.0, 41.0], pace=1.5, fmd_se=2.0)
    trials.add("far", [100.0, 80.0, 70.0], pace=1.5)
    assert [(row["trial"], row["rank"], row["tied"]) for row in trials.at_seconds().to_pylist()] == [
        ("fast", 1, False),
        ("near", 2, True),
        ("far", 3, False),
    ]


def test_a_trial_that_stopped_earlier_is_ranked_at_fewer_seconds_and_one_of_a_single_report_not_at_all() -> None:
    trials = Trials()
    trials.add("full", [100.0, 60.0, 40.0])
    trials.add("stopped", [80.0, 30.0], pace=1.1, state="PRUNED")
    trials.add("slow", [80.0, 35.0], pace=3.2, state="PRUNED")  # 9.6 s, which is beyond the last level
    trials.add("single", [10.0], pace=1.1, state="PRUNED")
    trials.add("unmeasured", [], state="RUNNING")
    rows = trials.rows()
    assert {name: (row["seconds"], row["rank"]) for name, row in rows.items()} == {
        "slow": (9.0, 1),
        "full": (9.0, 2),
        "stopped": (3.0, 1),
        "single": (None, None),
        "unmeasured": (None, None),
    }
    assert rows["single"]["fmd"] is None


def test_a_diverged_trial_is_last_at_the_seconds_that_it_passed_and_makes_no_level() -> None:
    trials = Trials()
    trials.add("good", [100.0, 60.0])
    trials.add("poor", [500.0, 490.0], pace=1.5)
    trials.add("diverged", [510.0], pace=4.0, state="PRUNED", diverged=True)
    trials.add("at once", [510.0], pace=0.1, state="PRUNED", diverged=True)
    rows = trials.at_seconds().to_pylist()
    assert [(row["trial"], row["seconds"], row["rank"], row["tied"]) for row in rows] == [
        ("good", 3.0, 1, False),
        ("poor", 3.0, 2, False),
        ("diverged", 3.0, None, False),
        ("at once", None, None, False),
    ]
    assert rows[2]["fmd"] is None


def test_a_training_that_its_patience_ended_is_compared_by_its_last_value() -> None:
    trials = Trials()
    trials.add("long", [100.0, 60.0, 40.0])
    trials.add("patient", [90.0, 30.0, 30.0], pace=0.5, patience=3, images_per_second=100.0)
    rows = trials.rows()
    assert list(rows) == ["patient", "long"]
    assert (rows["patient"]["reading"], rows["patient"]["seconds"], rows["patient"]["rank"]) == (ENDED, 9.0, 1)


def test_a_training_with_patience_that_saw_all_images_is_known_up_to_its_end_alone() -> None:
    trials = Trials()
    trials.add("long", [100.0, 60.0, 40.0])
    trials.add("patient", [90.0, 30.0, 20.0], pace=0.5, patience=3)
    rows = trials.rows()
    assert {name: (row["reading"], row["seconds"], row["rank"]) for name, row in rows.items()} == {
        "patient": (MEASURED, 4.5, 1),
        "long": (INTERPOLATED, 4.5, 2),
    }


def test_a_table_of_some_trials_has_their_levels() -> None:
    trials = Trials()
    trials.add("a", [100.0, 60.0, 40.0])
    trials.add("b", [90.0, 50.0, 36.0], pace=2.0)
    table = trials.fold.trials
    alone = rank_at_seconds(table.slice(1), trials.fold.curves, CARD)
    assert alone["seconds"].to_pylist() == [18.0]
    assert rank_at_seconds(table.slice(0, 0), trials.fold.curves, {}).num_rows == 0
