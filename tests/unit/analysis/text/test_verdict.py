"""The verdict says how far the first starting point and the literature are behind, and what is not shown."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.page.report import page
from analysis.run.events import Start
from analysis.run.run import Run
from analysis.statistics.confirmed import Standing
from analysis.statistics.two_way import Behind
from analysis.text.behind import how_far
from analysis.text.confirmation import standing_texts
from analysis.text.verdict import certainty
from tests.helpers import fake_runs
from tests.helpers.fake_runs import JUDGE, confirmed, told
from trainables.report import Report

EASY, HARD = 0.95, 1.1  # what two seeds do to all


def said(folder: Path, fmds: dict[str, list[float]], left_out: dict[str, str] | None = None) -> dict[str, str]:
    """What is said of a confirmation, by its terms."""
    run = confirmed(folder, fmds)
    nested = run.confirmed()
    nested.update_settings(left_out=left_out or {})
    return told(run)


def seeds(mean: float, luck: float = 0.002) -> list[float]:
    """FMDs with four seeds."""
    return [mean * seed * (1 + luck * sign) for seed, sign in zip((EASY, HARD, 1.0, 1.02), (1, -1, -1, 1), strict=True)]


def test_a_winner_that_ties_with_the_first_starting_point_has_not_shown_an_improvement(tmp_path: Path) -> None:
    facts = said(tmp_path, {"004-a": seeds(30.0), "000-a": seeds(30.1, -0.02)})
    assert facts["best"].startswith("004-a")
    assert " %: chance of being the best; it cannot be told from 000-a, which is 0." in facts["how sure"]
    assert re.match(r"0\.\d % worse: 000-a, 95 % interval -", facts["first starting point"])
    assert facts["first starting point"].endswith("that the search has improved on it is not shown")


def test_an_improvement_on_the_first_starting_point_is_told_by_pairs_although_seeds_differ_more(tmp_path: Path) -> None:
    facts = said(tmp_path, {"004-a": seeds(30.0), "000-a": seeds(31.5, -0.002)})
    assert facts["how sure"].endswith(
        "of the 2 that were trained again; each of the others is worse by more than chance"
    )
    assert facts["first starting point"].startswith("5.0 % worse: 000-a, 95 % interval ")
    assert facts["first starting point"].endswith("; the search has improved on it")


def test_a_first_starting_point_that_is_the_best_or_was_not_trained_again_is_named(tmp_path: Path) -> None:
    facts = said(tmp_path / "best", {"000-a": seeds(30.0), "002-a": seeds(40.0)})
    assert facts["first starting point"] == "the best itself: 000-a; the search found nothing that beats it"
    line = "000-a was not trained again: FMD 72.9 against 25.1 at 36,000 images"
    facts = said(tmp_path / "out", {"002-a": seeds(30.0), "000-a": []}, {"000-a": line})
    assert facts["first starting point"] == "not trained again: 000-a, FMD 72.9 against 25.1 at 36,000 images"
    assert "left out" not in facts


def searched(run: Run, values: dict[str, tuple[float, ...]]) -> None:
    """Report normalised FMDs of trials of the search after 100, 300 and 900 images."""
    for name, of_trial in values.items():
        for images, value in zip((100, 300, 900), of_trial, strict=False):
            run.append(Report.from_dict({"trial": name, "images_seen": images, "fmd": 1.0, "fmd_normalised": value}))


def test_a_first_starting_point_that_did_not_contend_is_compared_where_the_search_did(tmp_path: Path) -> None:
    run = confirmed(tmp_path, {"000-a": [], "002-a": seeds(30.0)})
    searched(run, {"000-a": (0.3, 0.09), "002-a": (0.2, 0.05, 0.04)})
    expected = "normalised FMD of 000-a and of the best, of one training each after 300 images"
    assert told(run)["first starting point"] == f"0.090 against 0.050: {expected}"
    assert told(run)["measured"].endswith("the search had said 0.040, normalised, of one training")


def test_the_plain_default_is_a_measure_of_its_own_unless_it_is_the_first(tmp_path: Path) -> None:
    run = confirmed(tmp_path, {"000-a": seeds(31.5), "002-a": seeds(30.0)})
    assert "plain default" not in told(run)  # a run of an older version does not say what it is
    run.append(Start("003-b", 3, 0, "", {"training/lr": 0.004}))
    searched(run, {"003-b": (0.3,), "002-a": (0.2, 0.05)})
    run.write_settings({"default": {"training/lr": 0.004}})
    expected = "normalised FMD of 003-b and of the best, of one training each after 100 images"
    assert told(run)["plain default"] == f"0.300 against 0.200: {expected}"
    run.write_settings({"default": {}})  # the variant of all others
    assert "plain default" not in told(run)
    assert "000-a, which is also the plain default, 95 % interval" in told(run)["first starting point"]


def test_a_search_without_a_confirmation_is_measured_by_its_own_reports(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    run.write_settings({"metric": {**JUDGE, "n": 64}})
    run.append(Start("000-a", 0, 0, "", {}))
    run.append(Start("001-A0", 1, 0, "A0", {}))
    run.append(Start("002-a", 2, 0, "", {}))
    for name, value in (("000-a", 0.3), ("001-A0", 0.9), ("002-a", 0.2)):
        values = {"trial": name, "images_seen": 900, "fmd": 100 * value, "fmd_se": 1.0, "fmd_normalised": value}
        run.append(Report.from_dict(values))
    facts = told(run)
    assert facts["best"].startswith("002-a")
    assert facts["FMD"].startswith("20.0 ± 1.0: of one training on 900 images, 64 samples")
    assert facts["how sure"].startswith("not confirmed: one training of one seed, the best of 3")
    assert facts["first starting point"].startswith("0.300 against 0.200: normalised FMD of 000-a")
    assert facts["literature"].startswith("0.900 against 0.200: normalised FMD of A0")


def test_one_that_left_the_race_with_fewer_seeds_is_not_said_to_have_as_many(tmp_path: Path) -> None:
    facts = said(tmp_path, {"004-a": seeds(30.0), "000-a": seeds(90.0)[:2]})
    assert "fresh seed" not in facts["how sure"]


@pytest.mark.parametrize(("draws", "sets"), [(1, "64 samples"), (2, "2 sets of 64 samples")])
def test_the_number_of_sets_of_samples_is_that_of_the_report(tmp_path: Path, draws: int, sets: str) -> None:
    run = Run.create(tmp_path, "run")
    run.write_settings({"metric": JUDGE})
    run.append(Start("000-a", 0, 0, "", {}))
    values = {"trial": "000-a", "images_seen": 900, "fmd": 20.0, "fmd_se": 1.0, "fmd_normalised": 0.2, "draws": draws}
    run.append(Report.from_dict(values))
    assert f"on 900 images, {sets}, with the standard error" in told(run)["FMD"]


def test_a_longer_training_is_not_told_as_a_search(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "longer")
    origin = {"run": "mine", "trial": "003-a", "anew": False}
    run.write_settings({**fake_runs.settings("longer"), "status": "interrupted", "origin": origin})
    fake_runs.add_trial(run, {"training/lr": 0.01}, [60.0, 30.0])
    assert told(run).keys() == {"best", "FMD", "how sure"}
    assert told(run)["how sure"] == "a longer training of a trial that a search had found"
    words = page(run)
    assert "This training was interrupted." in words
    assert "This search" not in words
    for gone in ("The search&#39;s ranking", "the search drew", "What was pruned"):
        assert gone not in words


@pytest.mark.parametrize(("probability", "text"), [(0.9951, "> 99 %"), (0.98, "98 %"), (0.003, "0 %"), (1.0, "> 99 %")])
def test_the_table_has_the_chance_in_the_words_of_the_fact(probability: float, text: str) -> None:
    normal = (1.0, 1.0, 1.0)
    one = Standing("000-a", "", (0,), (30.0,), 30.0, 29.0, 31.0, *normal, None, probability, True, False)
    assert text in standing_texts(one, ".1f")
    assert text in certainty([one, replace(one, tied=False)]).text


def test_kinds_and_settings_are_ordered_apart(tmp_path: Path) -> None:
    fmds = {"001-a": seeds(30.0), "002-b": seeds(45.0, 0.01), "003-a": seeds(30.05, -0.02), "004-c": seeds(90.0)}
    facts = said(tmp_path, fmds)
    assert facts["kinds"].startswith("a: by the best of each; then b, 50.0 % worse (")
    assert "; then c, at 3.00 times" in facts["kinds"]
    assert facts["within the first"].startswith("003-a: is ")
    assert facts["within the first"].endswith("which chance may do")


def test_the_number_is_told_with_what_it_means(tmp_path: Path) -> None:
    facts = told(confirmed(tmp_path, {"000-a": seeds(30.0)}))
    assert facts["FMD"].startswith("30.5: 95 % interval ")
    assert "over 4 trainings with fresh seeds; normalised 0.041 (0 is as good as real images, 1 as" in facts["FMD"]
    assert facts["how sure"].startswith("not compared")
    assert facts["measured"].startswith("64 samples: of each training")


@pytest.mark.parametrize(
    ("behind", "expected"),
    [
        (Behind(0.032, 0.011, 0.054, 4), "3.2 % worse (95 % interval 1.1 to 5.4 %)"),
        (Behind(0.01, -0.02, 0.04, 4), "1.0 % worse (95 % interval -2.0 to 4.0 %)"),
        (Behind(5.7, 5.2, 6.1, 1), "at 6.70 times its FMD (95 % interval 6.20 to 7.10 times)"),
    ],
)
def test_how_far_behind_is_a_share_or_many_times(behind: Behind, expected: str) -> None:
    assert how_far(behind) == expected
