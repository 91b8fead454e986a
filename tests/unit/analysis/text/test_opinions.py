"""What other networks say, in words and as a table beside the same of real images."""

from pathlib import Path

import pytest

from analysis.run.run import Run
from analysis.text.confirmation import opinion_blocks
from analysis.text.formats import Sheet
from analysis.text.opinions import opinion_facts, opinion_rows
from tests.helpers import fake_runs
from tests.helpers.fake_runs import result_of


def judged(folder: Path, labels: tuple[float | None, float | None], rotations: tuple[float, float]) -> Run:
    """The run of a confirmation of 003-a, the best by FMD, and 001-b, with distances of either by other networks."""
    run = fake_runs.confirmed(folder, {"003-a": [], "001-b": []})
    nested = run.confirmed()
    nested.update_settings(real={"by_labels": 0.4, "by_rotations": 0.5})
    for place, name in enumerate(("003-a", "001-b")):
        for seed in range(2):
            trial = f"{name}.{seed}"
            fake_runs.start(nested, trial, {}, repeats=name, seed=seed)
            distances = {"by_labels": labels[place], "by_rotations": rotations[place]}
            fake_runs.report(nested, trial, 2, (30.0 + 10 * place) * (1 + seed / 100), **distances)
    return run


LABELS, ROTATIONS = "it is first by what learned the labels", "by what learned how an image is turned 001-b is first"


@pytest.mark.parametrize(
    ("labels", "rotations", "value", "expected"),
    [
        ((2.0, 3.0), (5.0, 6.0), "2 of 2 agree", f"{LABELS} and how an image is turned"),
        ((2.0, 3.0), (6.0, 5.0), "1 of 2 agree", f"{LABELS}; {ROTATIONS} (003-a 20.0 % worse)"),
        ((2.0, 3.0), (5.01, 5.0), "1 of 2 agree", f"{LABELS}; {ROTATIONS} (003-a 0.2 % worse, which chance may do)"),
        ((2.0, 3.0), (15.0, 5.0), "1 of 2 agree", f"{LABELS}; {ROTATIONS} (003-a 3.00 times its distance)"),
        ((None, None), (5.0, 6.0), "1 of 1 agree", "it is first by what learned how an image is turned"),
    ],
)
def test_what_other_networks_say_names_who_is_first_and_how_far_the_best_is_behind(
    tmp_path: Path, labels: tuple[float | None, float | None], rotations: tuple[float, float], value: str, expected: str
) -> None:
    (fact,) = opinion_facts(result_of(judged(tmp_path, labels, rotations)))
    assert fact == ("other networks", value, expected)


def test_the_table_has_every_configuration_and_real_images(tmp_path: Path) -> None:
    result = result_of(judged(tmp_path, (2.0, 3.0), (5.0, 6.0)))
    (best, _), (second, _), (real, of_real) = opinion_rows(result)
    assert (best, second, real) == ("003-a", "001-b", "real images")
    assert of_real == [fake_runs.JUDGE["floor"], 0.4, 0.5]
    (sheet,) = (block for block in opinion_blocks(result) if isinstance(block, Sheet))
    assert list(sheet.columns) == ["trial", "FMD", "by labels", "by rotations"]


def test_a_run_of_an_older_version_says_nothing(tmp_path: Path) -> None:
    result = result_of(fake_runs.confirmed(tmp_path, {"003-a": [30.0, 31.0], "001-b": [40.0, 41.0]}))
    assert (opinion_facts(result), opinion_blocks(result)) == ([], [])
