"""Which contenders are trained again: not those that are beaten beyond doubt, nor those that there is no time for."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.run.events import Start
from analysis.run.run import Run
from search.confirmation.contenders import BEATEN, contenders, defeat
from search.confirmation.race import Race, RaceTime
from search.confirmation.selection import select
from search.machine import Machine
from search.progress.budget import OVERTIME, Budget
from search.reserve import END_SECONDS, GROWTH, START_SECONDS, UNKNOWN, Cost, Judging
from search.search_time import SearchTime
from search.settings import Settings
from tests.helpers import fake_runs
from trainables.report import Report

FULL, RUNGS = 108_000, (4_000, 12_000, 36_000, 108_000)
SETTINGS = Settings.resolve({"name": "run"}, "widths", "", Machine(cpus=2, gpus=0))
SCALE = 8.0
JUDGING = Judging(SCALE)


def curve(*fmds: float) -> list[Report]:
    """The reports of a trial at the first rungs."""
    return [Report.from_dict({"images_seen": rung, "fmd": fmd}) for rung, fmd in zip(RUNGS, fmds, strict=False)]


def add(run: Run, number: int, fmds: list[float], baseline: str = "", pace: float = 1_000.0) -> str:
    """Append a trial that reports at the first rungs, and return its name."""
    name = f"{number:03d}-{baseline or 'x'}"
    run.append(Start(name, number, seed=number, baseline=baseline, variant={"training/batch": number}))
    beside = {"setup_seconds": 1.0, "sample_seconds": 1.0, "score_seconds": 0.0, "train_seconds": 1.0}
    for rung, (images, fmd) in enumerate(zip(RUNGS, fmds, strict=False)):
        values = {"trial": name, "images_seen": images, "rung": rung, "fmd": fmd, "images_per_second": pace, **beside}
        run.append(Report.from_dict(values))
    return name


def test_a_trial_is_beaten_beyond_doubt_by_one_of_half_its_fmd_at_the_highest_rung_of_both() -> None:
    best = curve(90.0, 60.0, 25.1, 20.0)
    assert defeat(curve(80.0, 75.0, 72.9), best, FULL) == "FMD 72.9 against 25.1 at 36,000 images"
    assert defeat(curve(80.0, BEATEN * 60.0, 49.0), best, FULL) is None
    assert defeat(curve(80.0, BEATEN * 60.0), best, FULL) == "FMD 120 against 60.0 at 12,000 images"


def test_a_trial_that_was_stopped_before_a_ninth_of_the_full_budget_could_still_be_the_best() -> None:
    assert defeat(curve(900.0), curve(90.0, 60.0, 25.0, 20.0), FULL) is None


def test_the_ranking_s_first_contend_with_the_best_baseline_that_has_not_failed(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    add(run, 0, [50.0, 40.0, 30.0, 25.0])
    add(run, 1, [50.0, 40.0], baseline="A0")
    add(run, 2, [50.0, 41.0], baseline="B3")
    fake_runs.end(run, "001-A0", "FAILED", "out of luck")
    assert [start.trial for start in contenders(run, 1, FULL)] == ["000-x", "002-B3"]


def test_a_baseline_that_is_beaten_is_named_with_its_number_and_not_trained(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    best = add(run, 0, [90.0, 60.0, 25.1, 20.0])
    beaten = add(run, 1, [80.0, 75.0, 72.9], baseline="B3")
    selection = select(run, SETTINGS, JUDGING, left=1e6)
    assert [start.trial for start in selection.chosen] == [best]
    assert selection.left_out == {beaten: "B3 was not trained again: FMD 72.9 against 25.1 at 36,000 images"}
    assert not selection.is_short


def test_a_contender_that_there_is_no_time_for_is_named_and_not_trained(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    names = [add(run, number, [50.0, 40.0, 30.0, 20.0 + number]) for number in range(3)]
    slow = add(run, 3, [50.0, 40.0, 30.0], baseline="A0", pace=100.0)
    both = select(run, SETTINGS, JUDGING, left=1e6)
    assert [start.trial for start in both.chosen] == [*names, slow]
    assert not both.is_short
    fewer = select(run, SETTINGS, JUDGING, left=600.0)
    assert [start.trial for start in fewer.chosen] == names
    assert fewer.left_out == {slow: "A0 was not trained again: no time for a training of 18:07"}
    assert fewer.is_short
    assert [start.trial for start in select(run, SETTINGS, JUDGING, left=150.0).chosen] == names[:1]
    assert select(run, SETTINGS, JUDGING, left=10.0).chosen == []


def test_a_contender_with_a_fresh_seed_stays_in_the_race_that_goes_on(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    names = [add(run, number, [50.0, 40.0, 30.0, 20.0 + number]) for number in range(2)]
    nested = run.begin_confirmation()
    nested.append(Start(f"{names[1]}.0", 0, seed=0, baseline="", variant={}, repeats=names[1]))
    nested.append(Report.from_dict({"trial": f"{names[1]}.0", "images_seen": FULL, "fmd": 21.0}))
    assert [start.trial for start in select(run, SETTINGS, JUDGING, left=1.0).chosen] == [names[1]]


class Race600:
    """A race of two contenders of which a training takes 100 s and a test 10, on one slot, with so much time left."""

    def __init__(self, folder: Path, left: float) -> None:
        self.nested, self.now = Run.create(folder, "confirm"), left
        chosen = [Start(f"00{n}-x", n, seed=0, baseline="", variant={}) for n in range(2)]
        self.budget = Budget(600.0, earlier=600.0 - left)
        costs = {start.trial: Cost(100.0, 10.0) for start in chosen}
        self.time = RaceTime(self.nested, self.budget, costs, chosen[0].trial, slots=1)
        self.race = Race(5, 4, chosen, self.nested.events(), self.time.has_time)

    def run(self) -> list[str]:
        """Run the trainings one after the other, each in its time, and return their names."""
        names = []
        while (start := self.race.next_trial()) is not None:
            names.append(start.trial)
            self.nested.append(start)
            self.budget.earlier += 100
            fmd = 30 * (1 + 0.02 * random.Random(start.trial).uniform(-1, 1))
            seconds = {"train_seconds": 99.0, "sample_seconds": 9.0, "score_seconds": 1.0, "setup_seconds": 0.0}
            report = Report.from_dict({"trial": start.trial, "images_seen": FULL, "fmd": fmd, **seconds})
            self.nested.append(report)
            self.race.on_end(start, report, failed=False)
        return names


@pytest.mark.parametrize("left", [130.0, 260.0, 380.0, 600.0, 5_000.0])
def test_a_race_asks_for_further_trainings_only_while_they_end_in_time(left: float, tmp_path: Path) -> None:
    race = Race600(tmp_path, left)
    names = race.run()
    assert race.budget.left() - race.time.after() >= -0.2 * race.budget.limit
    assert race.race.is_cut == (len(names) < 8)
    assert len(names) == len(set(names))
    # The best of the search has its two seeds before time is short for it.
    assert names[:1] == ["000-x.0"]


def test_the_first_seeds_of_the_best_may_take_overtime_and_those_of_others_hardly(tmp_path: Path) -> None:
    short = 100 + 5 + 10 + END_SECONDS - 0.5 * OVERTIME * 600
    race = Race600(tmp_path, short)
    assert race.time.has_time("000-x", 1)
    assert not race.time.has_time("000-x", 2)
    assert not race.time.has_time("001-x", 0)


def test_the_time_of_a_search_is_the_budget_without_the_reserve_and_the_end(tmp_path: Path) -> None:
    run, budget = Run.create(tmp_path, "run"), Budget(600.0)
    before = SearchTime(run, SETTINGS, budget, JUDGING)
    assert before.after() == pytest.approx(UNKNOWN * 600 + END_SECONDS)
    for number in range(3):
        add(run, number, [50.0, 40.0, 30.0, 20.0 + number], pace=2_000.0)
    planned = SearchTime(run, SETTINGS, budget, JUDGING)
    assert planned.left() == pytest.approx(budget.left() - planned.after(), abs=0.1)
    training = 1 + FULL / 2_000 + SCALE**GROWTH
    assert planned.after() == pytest.approx(2 * START_SECONDS + 3 * (training + 1 + SCALE**GROWTH) + END_SECONDS)
    assert SearchTime(run, replace(SETTINGS, confirm=0), budget, JUDGING).after() == END_SECONDS


def test_without_reports_to_plan_by_the_first_trials_may_take_all_the_time(tmp_path: Path) -> None:
    run, late = Run.create(tmp_path, "run"), Budget(600.0, earlier=500.0)
    assert SearchTime(run, SETTINGS, late, JUDGING).after() == END_SECONDS
    add(run, 0, [50.0], pace=1.0)  # it tells of the start of its process
    assert SearchTime(run, SETTINGS, late, JUDGING).after() == END_SECONDS
