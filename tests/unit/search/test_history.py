"""The log replayed: which trials ended, which are paused, and of which pauses the log has no event."""

from analysis.run.events import End, Event, Start
from search.history import History, end_state
from search.schedulers import ASHA
from trainables.report import Report

RUNGS = (100, 300, 900)


def start(number: int) -> Start:
    return Start(f"{number:03d}", number, seed=0, baseline="", variant={})


def report(number: int, images_seen: int, fmd: float, diverged: bool = False) -> Report:
    values = {"trial": f"{number:03d}", "images_seen": images_seen, "fmd": fmd, "diverged": diverged}
    return Report.from_dict(values)


def replayed(events: list[Event]) -> History:
    return History(events, ASHA(RUNGS, 3))


def test_a_pause_that_was_not_logged_is_found_and_one_that_was_is_not() -> None:
    events: list[Event] = [start(0), report(0, 100, 5.0), start(1), report(1, 100, 6.0)]
    assert replayed(events).unlogged_pauses() == ["000", "001"]
    assert replayed([*events, End("000", "PAUSED")]).unlogged_pauses() == ["001"]
    assert replayed([*events, End("000", "PRUNED"), End("001", "PAUSED")]).unlogged_pauses() == []


def test_a_promoted_trial_is_not_paused_until_it_reports_again() -> None:
    events: list[Event] = [start(0), report(0, 100, 5.0), End("000", "PAUSED"), start(1), report(1, 100, 6.0)]
    events += [start(2), report(2, 100, 7.0), start(0), report(0, 300, 4.0)]
    history = replayed(events)
    assert history.is_paused("000")
    assert history.unlogged_pauses() == ["000", "001", "002"]
    assert history.starts["000"].number == 0


def test_the_end_of_a_trial_follows_from_its_last_report() -> None:
    history = replayed([start(0), report(0, 100, 565.0, diverged=True), start(1)])
    assert (history.outcome("000"), history.outcome("001")) == ("PRUNED", None)
    assert end_state(None, 900) == "FAILED"
    assert end_state(report(0, 900, 5.0), 900) == "COMPLETE"
    assert end_state(report(0, 900, 5.0, diverged=True), 900) == "PRUNED"
