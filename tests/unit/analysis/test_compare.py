"""Runs stand side by side only if what they measured compares, and then nothing is lost or mixed up."""

import csv
import io
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from analysis import compare as command
from analysis.run.events import State
from analysis.run.run import Run, RunError
from analysis.statistics.comparison import compare, run_of
from analysis.statistics.ranking import rank
from analysis.text.behind import behind_text
from analysis.text.comparison import with_run_column
from analysis.text.words import fmd_text
from tests.helpers import fake_runs
from tests.helpers.commands import refusal
from tests.helpers.fake_runs import IMAGES
from trainables.config import Flat

CARD = fake_runs.CARD
DATA = {"train-images": "ba89", "t10k-images": "0fa7"}
MORPH: Flat = {"degradation/kind": "morph", "training/lr": 0.002, "network/kind": "cnn"}


def create(root: Path, name: str, **more: object) -> Run:
    run = Run.create(root, name)
    run.write_settings({"metric": CARD, "data": DATA} | more)
    return run


def add(run: Run, kind: str, variant: Flat, fmds: list[float], baseline: str = "", **more: object) -> None:
    """Append a trial with a report for each fmd; keywords change the reports."""
    state: State = "COMPLETE" if len(fmds) == 3 else "PRUNED"
    fake_runs.add_trial(run, variant, fmds, state, baseline, kind, **{"train_seconds": 2.0} | more)


def confirm(run: Run, fmds: dict[str, list[float]], images: int = 9_000, **card: object) -> None:
    """Write a confirmation of a run with the FMDs of each of its trials."""
    nested = Run.create(run.path, run.confirmation.name)
    judged = {"version": "flat-1024-n1024-ab12cd34", "n": 1024, "split": "confirm", "floor": 4.0, "blank": 560.0}
    nested.write_settings({"status": "done", "tested": True, "metric": judged | card})
    for number, (trial, fmd) in enumerate((trial, fmd) for trial, values in fmds.items() for fmd in values):
        name = f"{trial}.{number}"
        fake_runs.start(nested, name, {}, repeats=trial)
        fake_runs.report(nested, name, 2, fmd, images_seen=images)
        fake_runs.end(nested, name, "COMPLETE")


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Run, Run]:
    one, other = create(tmp_path, "one"), create(tmp_path, "other")
    add(one, "morph", MORPH, [90.0, 60.0, 31.0])
    add(one, "mask", MORPH | {"degradation/kind": "mask", "degradation/mask/count": 5}, [80.0, 50.0])
    add(one, "A0", MORPH | {"training/lr": 2e-4}, [300.0, 200.0], baseline="A0")
    add(other, "A0", MORPH | {"training/lr": 2e-4}, [310.0], baseline="A0")
    add(other, "morph", MORPH | {"training/lr": 1}, [95.0, 55.0])  # of another type than the others' learning rates
    add(other, "elastic", MORPH | {"degradation/kind": "elastic"}, [1.0], diverged=True)
    return one, other


def test_the_best_of_each_is_taken_where_all_have_been(runs: tuple[Run, Run]) -> None:
    best = compare(runs).best
    assert best["trial"].to_pylist() == ["one/001-mask", "other/001-morph"]
    assert best["images_seen"].to_pylist() == [IMAGES[1]] * 2
    assert best["rank"].to_pylist() == [1, 2]


def test_common_configurations_are_compared_where_two_runs_have_been(runs: tuple[Run, Run]) -> None:
    add(runs[1], "morph", MORPH, [91.0, 61.0])
    common = [
        list(zip(table["trial"].to_pylist(), table["fmd"].to_pylist(), strict=True)) for table in compare(runs).common
    ]
    assert common == [
        [("one/000-morph", 60.0), ("other/003-morph", 61.0)],
        [("one/002-A0", 300.0), ("other/000-A0", 310.0)],
    ]


@pytest.mark.parametrize("seed", range(2))
def test_the_ranking_has_each_trial_of_each_run_once_in_the_order_of_its_own_run(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    runs = [create(tmp_path, name) for name in ("a", "b", "c")]
    for _ in range(30):
        fmds = [draw.uniform(20, 90) for _ in range(draw.randint(1, 3))]
        add(draw.choice(runs), "any", MORPH | {"training/lr": draw.random()}, fmds, diverged=draw.random() < 0.2)
    comparison = compare(runs)
    assert comparison.ranking.num_rows == 30
    for run in runs:
        alone = rank(run.trials(), CARD["floor"])
        here = [name for name in comparison.ranking["trial"].to_pylist() if run_of(name) == run.name]
        assert [name.split("/")[1] for name in here] == alone["trial"].to_pylist()
    assert comparison.trials.num_rows == 30


def test_a_copy_of_a_run_ties_with_it_throughout(runs: tuple[Run, Run], tmp_path: Path) -> None:
    copy = Run.open(shutil.copytree(runs[0].path, tmp_path / "elsewhere" / "copy"))
    comparison = compare([runs[0], copy])
    assert comparison.best["tied"].to_pylist() == [False, True]
    assert len(comparison.common) == 3
    assert all(table["fmd"][0] == table["fmd"][1] for table in comparison.common)


def test_runs_of_one_name_are_told_apart_by_their_paths(runs: tuple[Run, Run], tmp_path: Path) -> None:
    copy = Run.open(shutil.copytree(runs[0].path, tmp_path / "elsewhere" / "one"))
    assert list(compare([runs[0], copy]).runs) == [str(runs[0].path), str(copy.path)]
    ranking = with_run_column(compare([runs[0], copy]).ranking)
    assert set(ranking["run"].to_pylist()) == {str(runs[0].path), str(copy.path)}
    assert set(ranking["trial"].to_pylist()) == set(runs[0].trials()["trial"].to_pylist())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"metric": CARD | {"version": "flat-64-n512-ab12cd34"}},
            "different metrics .* one by .*n256.*, third by .*n512",
        ),
        (
            {"metric": CARD | {"split": "confirm"}},
            "different splits of the images .* search, third by confirm; .* one split",
        ),
        (
            {"data": DATA | {"t10k-images": "ffff"}},
            "different images, t10k-images, .* 0fa7, third by ffff; .* one data set",
        ),
        ({"data": {"train-images": "ba89"}}, "different images, t10k-images, .* third by no such file"),
        ({"metric": {}}, "third has not measured anything yet"),
    ],
)
def test_what_does_not_compare_is_refused(
    runs: tuple[Run, Run], tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    third = create(tmp_path, "third", **change)
    add(third, "morph", MORPH, [90.0])
    with pytest.raises(RunError, match=message) as error:
        compare([*runs, third])
    assert "\n" not in str(error.value)


def test_one_run_or_the_same_twice_is_refused(runs: tuple[Run, Run]) -> None:
    with pytest.raises(RunError, match="give two runs or more"):
        compare(runs[:1])
    with pytest.raises(RunError, match="one is given 2 times: give each run once"):
        compare([runs[0], Run.open(runs[0].path)])


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_number_is_cut_however_narrow_the_terminal(
    runs: tuple[Run, Run], width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    confirm(runs[0], {"000-morph": [30.0, 31.0], "001-mask": [60.0, 61.0]})
    assert command.main([str(run.path) for run in runs]) == 0
    tables = capsys.readouterr().out.partition("Confirmed")[2]
    assert max(map(len, tables.splitlines())) <= width
    for fmd in compare(runs).ranking["fmd"].to_pylist():
        assert f"  {fmd:.2f} ± 1.00  " in tables
    for standing in compare(runs).confirmed:
        assert f"  {fmd_text(standing.fmd)}  " in tables
        assert f"  {behind_text(standing.behind)}  " in tables


def test_a_confirmation_is_refused_and_the_run_that_it_is_of_is_pointed_to(
    runs: tuple[Run, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    confirm(runs[0], {"000-morph": [30.0, 31.0]})
    line = refusal(command.main, [str(runs[0].path), str(runs[0].confirmation)], capsys)
    assert "confirm is the confirmation of a run: give that run, whose confirmed trials come first" in line


def test_runs_that_have_not_begun_compare_without_a_best(tmp_path: Path) -> None:
    comparison = compare([create(tmp_path, "one"), create(tmp_path, "other")])
    assert (comparison.ranking.num_rows, comparison.best.num_rows, comparison.common) == (0, 0, ())


def test_what_was_confirmed_stands_in_one_race(runs: tuple[Run, Run]) -> None:
    assert compare(runs).confirmed == ()
    confirm(runs[0], {"000-morph": [30.0, 31.0, 32.0], "001-mask": [60.0, 61.0, 62.0]})
    assert [standing.trial for standing in compare(runs).confirmed] == ["one/000-morph", "one/001-mask"]
    confirm(runs[1], {"001-morph": [30.5, 31.5, 30.0]})
    comparison = compare(runs)
    assert comparison.unequal == ""
    first, second, third = comparison.confirmed
    assert {first.trial, second.trial} == {"one/000-morph", "other/001-morph"}
    assert (first.tied, second.tied, third.tied) == (True, True, False)
    assert first.p_best + second.p_best + third.p_best == pytest.approx(1)
    assert third.normalised == pytest.approx((third.fmd - 4) / 556)
    assert third.low < (60.0 * 61.0 * 62.0) ** (1 / 3) < third.high


@pytest.mark.parametrize(("images", "card"), [(3_000, {}), (9_000, {"split": "test"}), (9_000, {"version": "other"})])
def test_confirmations_that_do_not_compare_are_left_out_with_the_reason(
    runs: tuple[Run, Run], images: int, card: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    confirm(runs[0], {"000-morph": [30.0, 31.0]})
    confirm(runs[1], {"001-morph": [30.0, 31.0]}, images, **card)
    assert compare(runs).confirmed == ()
    assert command.main([str(run.path) for run in runs]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "What was confirmed does not compare: one after 9,000 images by flat" in text
    assert f"other after {images:,} images by" in text


def test_values_are_the_same_in_every_format(runs: tuple[Run, Run], capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    paths, written = [str(run.path) for run in runs], {}
    for form in ("csv", "json", "parquet"):
        assert command.main([*paths, "--format", form]) == 0
        written[form] = capfdbinary.readouterr().out
    expected = with_run_column(compare(runs).ranking)
    assert pq.read_table(io.BytesIO(written["parquet"])).equals(expected)
    names = list(
        zip(expected["run"].to_pylist(), expected["trial"].to_pylist(), expected["fmd"].to_pylist(), strict=True)
    )
    rows = list(csv.DictReader(io.StringIO(written["csv"].decode())))
    assert [(row["run"], row["trial"], float(row["fmd"])) for row in rows] == names
    told = json.loads(written["json"])
    assert [(row["run"], row["trial"], row["fmd"]) for row in told["ranking"]] == names
    assert told["metric"] == CARD
    assert [row["run"] for row in told["best"]] == ["one", "other"]


def test_all_trials_are_ranked_at_equal_seconds_if_asked(
    runs: tuple[Run, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(run.path) for run in runs]
    comparison = compare(runs, at_seconds=True)
    assert comparison.ranking["seconds"].to_pylist() == [6.0, 4.0, 4.0, 4.0, 2.0, 2.0]
    assert comparison.best.equals(compare(runs).best)
    assert command.main([*paths, "--at", "seconds", "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["at"] == "seconds"
    assert [f"{row['run']}/{row['trial']}" for row in told["ranking"]] == comparison.ranking["trial"].to_pylist()
    assert command.main([*paths, "--at", "seconds"]) == 0
    assert "All trials at equal seconds" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["table", "markdown", "latex"])
def test_texts_show_every_part_with_the_runs_numbered(
    runs: tuple[Run, Run], form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    confirm(runs[0], {"000-morph": [30.0, 31.0]})
    assert command.main([*(str(run.path) for run in runs), "--format", form]) == 0
    text = capsys.readouterr().out
    places = [text.index(part) for part in ("1  one: 3 trials", "2  other: 3 trials", "flat-64-n256-ab12cd34")]
    places += [text.index(part) for part in ("Confirmed with fresh", "The best of each", "In common", "All trials")]
    assert places == sorted(places)
    best = next(line for line in text[text.index("The best of each") :].splitlines() if "001-mask" in line)
    assert best.translate(str.maketrans("|&", "  ")).split()[:3] == ["1", "1", "001-mask"]
