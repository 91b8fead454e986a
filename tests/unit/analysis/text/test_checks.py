"""What is said beside an FMD: the mean of trainings, the same of real images, and nothing of an older run."""

from pathlib import Path

import pytest

from analysis.statistics.confirmed import ConfirmationResult
from analysis.text.checks import check_rows, checks_facts, shown
from analysis.text.confirmation import checks_blocks
from analysis.text.formats import Sheet, fitted
from tests.helpers import fake_runs
from trainables.report import CHECKS

REAL = dict.fromkeys(CHECKS, 0.01)
LABELS = ("unreadable_share", "label_distance")


def judged(folder: Path, values: list[dict[str, float | None]], real: dict[str, float | None]) -> ConfirmationResult:
    """The result of a confirmation of 003-a and 001-b; the first has a training for each of `values`."""
    run = fake_runs.confirmed(folder, {"003-a": [], "001-b": [40.0]})
    nested = run.confirmed()
    nested.update_settings(real=real)
    for seed, checks in enumerate(values):
        fake_runs.start(nested, f"003-a.{seed}", {}, repeats="003-a", seed=seed)
        fake_runs.report(nested, f"003-a.{seed}", 2, 30.0 + seed / 10, **checks)
    return fake_runs.result_of(run)


def test_a_configuration_has_the_mean_of_its_trainings_beside_real_images(tmp_path: Path) -> None:
    values = [dict.fromkeys(CHECKS, 0.02), dict.fromkeys(CHECKS, 0.04), dict.fromkeys(CHECKS)]
    result = judged(tmp_path, values, REAL)
    first, second = check_rows(result)
    assert first == ("003-a", pytest.approx(dict.fromkeys(CHECKS, 0.03)))
    assert second == ("real images", REAL)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"unreadable_share": 0.031, "coverage": 0.884, "copied_share": 0.0},
            "3.1 % unreadable: the classifier is not sure of their label (real images: 1.0 %); none is a copy of a "
            "training image; they cover 88 % of the real images (other real images: 1.0 %)",
        ),
        (
            {"unreadable_share": None, "label_distance": None, "copied_share": 0.25, "repeated_share": 0.63},
            "25 % are copies of training images (real images: 1.0 %); they cover 1.0 % of the real images "
            "(other real images: 1.0 %); 63 % hardly differ from another sample (real images: 1.0 %)",
        ),
    ],
)
def test_the_best_is_told_in_words(tmp_path: Path, changes: dict[str, float | None], expected: str) -> None:
    assert [fact.text for fact in checks_facts(judged(tmp_path, [{**REAL, **changes}], REAL))] == [expected]


def test_without_labels_their_columns_are_absent(tmp_path: Path) -> None:
    unlabelled = {**REAL, **dict.fromkeys(LABELS)}
    assert {check.name for check in shown(judged(tmp_path, [unlabelled], unlabelled))}.isdisjoint(LABELS)


def test_an_older_run_shows_nothing(tmp_path: Path) -> None:
    result = judged(tmp_path, [{}], {})
    assert (check_rows(result), checks_facts(result), checks_blocks(result)) == ([], [], [])


def test_the_table_keeps_what_matters_most_where_a_terminal_is_narrow(tmp_path: Path) -> None:
    (sheet,) = (block for block in checks_blocks(judged(tmp_path, [REAL], REAL)) if isinstance(block, Sheet))
    assert {"trial", "unreadable", "copied", "coverage"} <= set(fitted(sheet, 50).columns) < set(sheet.columns)
