"""What a confirmation says, from the run on disk: who is best, who is tied, what it does not say."""

import math
from pathlib import Path

import pytest

from analysis.run.evaluations import store
from analysis.run.run import Run
from analysis.statistics.confirmed import confirmation_result, standings
from analysis.text.answer import answer
from analysis.text.confirmation import standing_texts
from tests.helpers.fake_runs import JUDGE, confirmed, report, result_of, start, told

CLEAR = {"003-a": [30.0, 30.5, 29.8, 30.2], "001-b": [40.0, 41.0], "000-A0": [200.0]}
TIED = {"003-a": [30.0, 30.5, 29.8, 30.2], "001-b": [30.1, 30.6, 29.7, 30.4], "000-A0": [200.0]}


def test_there_is_no_result_before_a_training_has_ended(tmp_path: Path) -> None:
    assert confirmation_result(Run.create(tmp_path, "run")) is None
    assert confirmation_result(confirmed(tmp_path / "other", {"000-a": []})) is None


@pytest.mark.parametrize(("fmds", "tied"), [(CLEAR, {"003-a"}), (TIED, {"003-a", "001-b"})])
def test_standings_are_ordered_and_each_mean_lies_in_its_interval(
    fmds: dict[str, list[float]], tied: set[str], tmp_path: Path
) -> None:
    standings = result_of(confirmed(tmp_path, fmds)).standings
    assert [s.fmd for s in standings] == sorted(s.fmd for s in standings)
    assert sum(s.p_best for s in standings) == pytest.approx(1)
    assert {s.trial for s in standings if s.tied} == tied
    for standing in standings:
        assert standing.fmds == tuple(fmds[standing.trial])
        if not standing.dropped:
            assert standing.fmd == pytest.approx(math.prod(standing.fmds) ** (1 / len(standing.fmds)))
        assert standing.low < standing.fmd < standing.high
        assert standing.normalised == pytest.approx((standing.fmd - 10) / 500)
        assert standing.dropped == (len(standing.fmds) < 4)


def test_a_clear_winner_is_named_and_the_literature_stands_beside_it(tmp_path: Path) -> None:
    run = confirmed(tmp_path, CLEAR)
    said = told(run)
    assert said["best"].startswith("003-a")
    certain = "> 99 %: chance of being the best of the 3 that were trained again"
    assert said["how sure"] == f"{certain}; each of the others is worse by more than chance"
    assert said["literature"].startswith("6.68 times its FMD: A0, 95 % interval ")
    assert said["literature"].endswith("; after as many images")
    assert said["kinds"].startswith("a: by the best of each; then b, 33.")
    assert "among 3 of 3 configurations" in said["holds for"]


def test_one_contender_has_no_chance_of_being_the_best(tmp_path: Path) -> None:
    run = confirmed(tmp_path, {"003-a": [30.0, 30.5]})
    (only,) = result_of(run).standings
    assert only.p_best is None
    assert standing_texts(only, ".1f")[4] == "-"
    assert "not compared" in told(run)["how sure"]


def test_a_confirmation_that_goes_on_says_so(tmp_path: Path) -> None:
    found = answer(confirmed(tmp_path, CLEAR, tested=False))
    assert found.facts[0].value == "not over"


def test_what_was_not_trained_again_and_a_race_that_time_ended_are_said(tmp_path: Path) -> None:
    run = confirmed(tmp_path, TIED)
    nested = run.confirmed()
    line = "B3 was not trained again: FMD 72.9 against 25.1 at 36,000 images"
    nested.write_settings({**nested.settings(), "cut": True, "left_out": {"005-B3": line}})
    assert told(run)["cut short"].startswith("by the time budget: with a larger --time-budget")
    assert told(run)["left out"] == line


def test_a_configuration_with_fewer_seeds_that_may_be_the_best_has_not_left_the_race() -> None:
    fmds = {"a": {0: 30.0, 1: 30.2}, "b": {0: 30.1}, "c": {0: 90.0}}
    found = standings(fmds, dict.fromkeys("abc", ""), JUDGE)
    assert {one.trial: (one.tied, one.dropped) for one in found} == {
        "a": (True, False),
        "b": (True, False),
        "c": (False, True),
    }


def test_the_test_set_has_standings_of_its_own(tmp_path: Path) -> None:
    run = confirmed(tmp_path, CLEAR)
    nested = run.confirmed()
    final = {"split": "test", "metric": JUDGE["version"], "samples": 64}
    for index, fmd in enumerate((25.0, 26.0, 25.5, 25.2)):
        store(nested, {"trial": f"003-a.{index}", **final, "noise": index, "fmd": fmd})
    store(nested, {"trial": "003-a.0", **final, "noise": 0, "split": "search", "fmd": 1.0})
    store(nested, {"trial": "003-a.0", **final, "noise": 0, "metric": "another", "fmd": 2.0})
    store(nested, {"trial": "003-a.0", **final, "noise": 10**9, "fmd": 3.0})  # as a user evaluates it
    found = result_of(run)
    assert [s.trial for s in found.test_standings] == ["003-a"]
    assert found.test_standings[0].fmds == (25.0, 26.0, 25.5, 25.2)
    assert found.test_standings[0].normalised == pytest.approx(found.test_standings[0].fmd / 510)


def test_a_configuration_that_diverged_with_one_seed_is_out_and_does_not_blur_the_others(tmp_path: Path) -> None:
    run = confirmed(tmp_path, CLEAR)
    nested = run.confirmed()
    start(nested, "001-b.2", {}, repeats="001-b", seed=9)
    report(nested, "001-b.2", 0, 510.0, images_seen=900, diverged=True)
    found = result_of(run)
    assert [s.trial for s in found.standings] == ["003-a", "000-A0"]
    assert told(run)["out"] == "001-b: diverged or failed with one of its fresh seeds"
    assert found.standings[0].high < 32
