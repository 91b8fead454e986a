"""The verdict says how far the first starting point and the literature are behind, and what is not shown."""

from pathlib import Path

import pytest

from analysis.statistics.confirmed import confirmation_result
from analysis.statistics.two_way import Behind
from analysis.text.behind import how_far
from analysis.text.verdict import conclusions, headline
from tests.helpers.fake_runs import confirmed
from trainables.report import Report

EASY, HARD = 0.95, 1.1  # what two seeds do to all


def said(folder: Path, fmds: dict[str, list[float]], left_out: dict[str, str] | None = None) -> list[str]:
    run = confirmed(folder, fmds)
    nested = run.confirmed()
    assert nested is not None
    nested.update_settings(left_out=left_out or {})
    result = confirmation_result(run)
    assert result is not None
    return conclusions(run, result)


def seeds(mean: float, luck: float = 0.002) -> list[float]:
    """FMDs with four seeds."""
    return [mean * seed * (1 + luck * sign) for seed, sign in zip((EASY, HARD, 1.0, 1.02), (1, -1, -1, 1), strict=True)]


def test_a_winner_that_ties_with_the_first_starting_point_has_not_shown_an_improvement(tmp_path: Path) -> None:
    sentences = said(tmp_path, {"004-a": seeds(30.0), "000-a": seeds(30.1, -0.02)})
    assert sentences[0].startswith("004-a is ahead, with a chance of ")
    assert "It cannot be told from 000-a, which is 0." in sentences[0]
    assert sentences[1].startswith("000-a, the search's first starting point, is 0.")
    assert sentences[1].endswith("that the search has improved on it is not shown.")


def test_an_improvement_on_the_first_starting_point_is_told_by_pairs_although_seeds_differ_more(
    tmp_path: Path,
) -> None:
    sentences = said(tmp_path, {"004-a": seeds(30.0), "000-a": seeds(31.5, -0.002)})
    assert sentences[0].startswith("004-a is the best of the 2 that were trained again, with 4 fresh seeds")
    assert sentences[1].startswith("000-a, the search's first starting point, is 5.0 % worse (95 % interval ")
    assert sentences[1].endswith("the search has improved on it.")


def test_a_first_starting_point_that_is_the_best_or_was_not_trained_again_is_named(tmp_path: Path) -> None:
    sentences = said(tmp_path / "best", {"000-a": seeds(30.0), "002-a": seeds(40.0)})
    assert "000-a is the search's first starting point: the search found nothing that beats it." in sentences
    line = "000-a was not trained again: FMD 72.9 against 25.1 at 36,000 images"
    run = {"002-a": seeds(30.0)}
    confirmed_run = said(tmp_path / "out", run | {"000-a": []}, {"000-a": line})
    expected = (
        "000-a, the search's first starting point, was not trained again: FMD 72.9 against 25.1 at 36,000 images."
    )
    assert confirmed_run.count(expected) == 1
    assert f"{line}." not in confirmed_run


def test_a_first_starting_point_that_did_not_contend_is_compared_where_the_search_did(tmp_path: Path) -> None:
    run = confirmed(tmp_path, {"000-a": [], "002-a": seeds(30.0)})
    for name, normalised in (("000-a", (0.3, 0.09)), ("002-a", (0.2, 0.05, 0.04))):
        for images, value in zip((100, 300, 900), normalised, strict=False):
            run.append(Report.from_dict({"trial": name, "images_seen": images, "fmd": 1.0, "fmd_normalised": value}))
    result = confirmation_result(run)
    assert result is not None
    assert conclusions(run, result)[1].endswith(
        "was not trained again: the search had 0.090 for it and 0.050 for the best, normalised, of one training each "
        "after 300 images."
    )
    assert "the search had said 0.040, of one training" in headline(run, result)


def test_kinds_and_settings_are_ordered_apart(tmp_path: Path) -> None:
    fmds = {"001-a": seeds(30.0), "002-b": seeds(45.0, 0.01), "003-a": seeds(30.05, -0.02), "004-c": seeds(90.0)}
    sentences = said(tmp_path, fmds)
    assert any(
        one.startswith("Kinds, the best of each: a; then b, 50.0 % worse (") and "; then c, at 3.00 times" in one
        for one in sentences
    )
    assert any(one.startswith("Within a, 003-a is ") and one.endswith("which chance may do.") for one in sentences)


def test_the_headline_says_what_the_number_means(tmp_path: Path) -> None:
    run = confirmed(tmp_path, {"000-a": seeds(30.0)})
    result = confirmation_result(run)
    assert result is not None
    text = headline(run, result)
    assert text.startswith("FMD 30.5, 95 % interval ")
    assert "4 trainings with fresh seeds, 64 samples each" in text
    assert "Normalised it is 0.041: 0 is as good as real images, 1 a blank set." in text


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
