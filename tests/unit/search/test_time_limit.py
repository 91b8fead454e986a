"""Laws of the time limit: no trial begins, or goes on, to a rung that it could not reach in time."""

import math

import pytest

from search.schedulers import ASHA, Decision, Scheduler
from search.time_limit import TimeLimit
from trainables.report import Report

RUNGS = (100, 300, 900)


class Left:
    """The seconds that are left."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds


def make_report(images_seen: int, fmd: float = 1.0, **more: object) -> Report:
    """A report of a trial that trains 10 images a second and takes 5 seconds to sample and score."""
    values = {"images_seen": images_seen, "fmd": fmd, "images_per_second": 10.0, "train_seconds": images_seen / 10}
    return Report.from_dict({**values, "setup_seconds": 1.0, "sample_seconds": 3.0, "score_seconds": 1.0, **more})


def test_a_trial_stops_where_it_could_not_reach_its_next_rung_with_its_samples_in_time() -> None:
    left = Left(25.0)
    limit = TimeLimit(Scheduler(RUNGS, 3), left)
    assert limit.on_report(0, make_report(100)) is Decision.CONTINUE  # 20 s of training and 5 of samples
    left.seconds = 64.0
    assert limit.on_report(0, make_report(300)) is Decision.STOP  # 60 and 5
    left.seconds = 24.0
    assert limit.on_report(1, make_report(100)) is Decision.STOP


def test_a_trial_that_is_stopped_for_want_of_time_leaves_its_place_to_others() -> None:
    scheduler = ASHA(RUNGS, 3)
    limit = TimeLimit(scheduler, Left(1.0))
    decisions = [limit.on_report(number, make_report(100, fmd)) for number, fmd in enumerate((9.0, 8.0, 7.0))]
    assert decisions == [Decision.PAUSE, Decision.PAUSE, Decision.STOP]
    assert not scheduler.paused.keys() & {2}
    assert not limit.has_time(1)
    assert scheduler.promote(more=False, idle=False, can=limit.has_time) is None
    assert scheduler.promote(more=False, idle=False) == 1


def test_a_new_trial_begins_only_if_it_would_reach_the_first_rung_as_half_of_them_did() -> None:
    left = Left(0.1)
    reports = [(number, make_report(100, train_seconds=seconds)) for number, seconds in enumerate((10.0, 20.0, 90.0))]
    assert TimeLimit(Scheduler(RUNGS, 3), left).has_time()  # nobody knows
    limit = TimeLimit(Scheduler(RUNGS, 3), left, reports=[*reports, (0, make_report(300, train_seconds=99.0))])
    left.seconds = 24.0
    assert not limit.has_time()
    left.seconds = 25.0
    assert limit.has_time()
    assert limit.has_time(77)  # it was interrupted before its first report
    left.seconds = 0.0
    assert not TimeLimit(Scheduler(RUNGS, 3), left).has_time()


def test_trials_that_run_are_over_only_after_the_overtime() -> None:
    left = Left(-9.0)
    assert not TimeLimit(Scheduler(RUNGS, 3), left, overtime=10.0).is_over()
    assert TimeLimit(Scheduler(RUNGS, 3), left, overtime=8.0).is_over()
    assert not TimeLimit(Scheduler(RUNGS, 3), left).is_over()


@pytest.mark.parametrize("images_per_second", [0.0, math.nan])
def test_a_report_without_a_pace_takes_no_time(images_per_second: float) -> None:
    limit = TimeLimit(Scheduler(RUNGS, 3), Left(6.0))
    assert limit.on_report(0, make_report(100, images_per_second=images_per_second)) is Decision.CONTINUE
