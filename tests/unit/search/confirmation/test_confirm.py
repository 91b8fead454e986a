"""Who contends in a confirmation, and how many trainings it can come to."""

from pathlib import Path

import pytest

from analysis.run.events import Start
from analysis.run.run import Run
from search.confirmation.confirm import trainings_at_most
from search.confirmation.contenders import alike, contenders
from trainables.config import Flat
from trainables.report import Report

FULL = 900


def add(run: Run, name: str, variant: Flat, images_seen: int, fmd: float, diverged: bool = False) -> None:
    """Append a trial with one report; a name such as 001-A1 is that of a baseline."""
    baseline = name[4:] if "A" in name else ""
    run.append(Start(name, int(name[:3]), seed=0, baseline=baseline, variant=variant))
    values = {"images_seen": images_seen, "fmd": fmd, "fmd_se": 0.1, "diverged": diverged}
    run.append(Report.from_dict({"trial": name, **values}))


def test_contenders_are_the_best_that_ended_and_the_best_baseline(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    add(run, "000-x", {"training/batch": 0}, 900, 40.0)
    add(run, "001-A0", {"training/batch": 1}, 300, 10.0)
    add(run, "002-A1", {"training/batch": 2}, 300, 12.0)
    add(run, "003-y", {"training/batch": 3}, 900, 30.0)
    add(run, "004-z", {"training/batch": 4}, 900, 8.0, diverged=True)
    assert [start.trial for start in contenders(run, 1, FULL)] == ["003-y", "001-A0"]
    assert [start.trial for start in contenders(run, 3, FULL)] == ["003-y", "000-x", "001-A0"]


def test_of_trials_that_are_alike_only_the_best_is_trained_again(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    rates = {"000-a": 0.004, "001-b": 0.0078, "002-c": 0.0075, "003-d": 0.0073, "004-e": 0.0065}
    for number, (name, lr) in enumerate(rates.items()):
        add(run, name, {"training/lr": lr}, 900, 30.0 - number)
    assert [start.trial for start in contenders(run, 3, FULL)] == ["004-e", "003-d", "000-a"]


def test_the_best_of_each_leading_kind_contends_and_the_first_trial_in_the_last_place(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    trials = [
        ("000-a", 900, 32.0),
        ("001-a", 900, 30.0),
        ("002-a", 900, 31.0),
        ("003-b", 900, 40.0),
        ("004-c", 900, 46.0),  # more than half as much again as the best
        ("005-d", 90, 1.0),  # not compared at a ninth of the full budget
    ]
    for number, (name, images, fmd) in enumerate(trials):
        add(run, name, {"training/batch": number}, images, fmd)

    def chosen(best: int) -> list[str]:
        return [start.trial for start in contenders(run, best, FULL)]

    assert chosen(1) == ["001-a"]
    assert chosen(2) == ["001-a", "000-a"]
    assert chosen(3) == ["001-a", "003-b", "000-a"]
    assert chosen(4) == ["001-a", "003-b", "002-a", "000-a"]


def test_a_first_trial_that_was_drawn_has_no_place_of_its_own(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    run.write_settings({"starting_point": False})
    for number, (name, fmd) in enumerate((("000-a", 32.0), ("001-a", 30.0), ("002-a", 31.0))):
        add(run, name, {"training/batch": number}, 900, fmd)
    assert [start.trial for start in contenders(run, 2, FULL)] == ["001-a", "002-a"]


def test_a_first_trial_that_is_beaten_beyond_doubt_contends_beside_the_best_to_be_named(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    for name, fmd in (("000-a", 90.0), ("001-a", 30.0), ("002-a", 31.0)):
        add(run, name, {"training/batch": int(name[:3])}, 900, fmd)
    assert [start.trial for start in contenders(run, 2, FULL)] == ["001-a", "002-a", "000-a"]


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({"training/lr": 0.0042, "training/batch": 64}, True),
        ({"training/lr": 0.0045, "training/batch": 64}, False),
        ({"training/lr": 0.004, "training/batch": 65}, False),
        ({"training/lr": 0.004}, False),
    ],
)
def test_alike_is_the_same_choices_and_numbers_less_than_a_tenth_apart(other: Flat, expected: bool) -> None:
    one: Flat = {"training/lr": 0.004, "training/batch": 64}
    assert alike(one, other) is alike(other, one) is expected


def test_a_race_that_goes_on_with_others_counts_the_trainings_of_earlier_contenders(tmp_path: Path) -> None:
    nested, seeds = Run.create(tmp_path, "confirm"), 4
    chosen = [Start(f"00{number}-x", number, seed=0, baseline="", variant={}) for number in range(4)]
    assert trainings_at_most(nested, chosen[:3], seeds) == seeds * 3
    for number, contender in enumerate((chosen[0], chosen[0], chosen[1])):
        name = f"{contender.trial}.{number}"
        nested.append(Start(name, number, seed=0, baseline="", variant={}, repeats=contender.trial))
    assert trainings_at_most(nested, chosen[:3], seeds) == seeds * 3
    assert trainings_at_most(nested, chosen[1:], seeds) == 2 + seeds * 3
