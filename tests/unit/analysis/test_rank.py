"""A ranking compares only what can be compared, and says what it cannot tell apart."""

import json
import random
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pytest

from analysis import rank as command
from analysis.run.events import State
from analysis.run.run import Run
from analysis.statistics.equal_seconds import rank_at_seconds
from analysis.statistics.ranking import metric_card, rank, rank_run, shared_values, varied_fields
from analysis.text.configuration import describe_configuration
from analysis.text.confirmation import standings_sheet
from analysis.text.formats import Sheet, csv
from analysis.text.ranking import ranking_content, trials_blocks, write_ranking
from tests.helpers import fake_runs
from tests.helpers.commands import refusal
from trainables.config import Flat

RUNGS = (10_000, 20_000, 40_000)
CARD: dict[str, Any] = {
    "version": "spatial_mean-64-512-ab12cd34",
    "layer": "spatial_mean",
    "n": 512,
    "split": "search",
    "floor": 1.25,
    "blank": 700.0,
}
SEARCHED: Flat = {"network/kind": "unet", "degradation/kind": "morph", "training/target": "x0", "training/lr": 0.002}
LITERATURE: Flat = {"network/kind": "cnn", "network/cnn/kernel": 7, "degradation/kind": "morph", "training/lr": 2e-4}


def add(
    run: Run, name: str, variant: Flat, fmds: list[float], state: State | None = None, baseline: str = "", **more: Any
) -> None:
    """Append a trial with a report for each fmd; keywords change the reports."""
    fake_runs.start(run, name, variant, baseline)
    for rung, fmd in enumerate(fmds):
        values = {"fmd_se": 1.0, "fmd_normalised": fmd / 700, "fmd_corrected": fmd - 0.5, "train_seconds": 12.0}
        fake_runs.report(run, name, rung, fmd, **{"images_seen": RUNGS[rung], **values, **more})
    if state:
        fake_runs.end(run, name, state)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run.create(tmp_path, "degradations")
    run.write_settings({"metric": CARD})
    add(run, "000-B3", LITERATURE, [300.0, 250.0, 200.0], "COMPLETE", baseline="B3")
    add(run, "001-morph", SEARCHED | {"training/lr": 0.003}, [90.0, 60.0, 31.0], "COMPLETE")
    add(run, "002-mask", SEARCHED | {"degradation/kind": "mask", "degradation/mask/count": 5}, [5.0, 4.0], "PRUNED")
    add(run, "003-morph", SEARCHED, [90.0, 60.0, 30.0], "COMPLETE")
    add(run, "004-mask", SEARCHED | {"degradation/kind": "mask", "degradation/mask/count": 3}, [700.0], diverged=True)
    add(run, "005-morph", SEARCHED, [900.0], "FAILED")
    add(run, "006-morph", SEARCHED, [])
    return run


def test_the_order_is_by_budget_then_by_fmd_then_what_was_not_measured(run: Run) -> None:
    ranking = rank(run.trials(), 1.25)
    order = ["003-morph", "001-morph", "000-B3", "002-mask", "005-morph", "004-mask", "006-morph"]
    assert ranking["trial"].to_pylist() == order
    assert ranking["rank"].to_pylist() == [1, 2, 3, 1, 1, None, None]
    assert ranking["tied"].to_pylist() == [False, True, False, False, False, False, False]
    assert ranking["floor"].to_pylist() == [1.25] * 7


@pytest.mark.parametrize("seed", range(5))
def test_budgets_are_never_compared_whatever_the_values(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    run = Run.create(tmp_path, "any")
    for number in range(40):
        diverged = draw.random() < 0.2
        fmds = [draw.choice([700.0, draw.lognormvariate(4, 3)]) for _ in range(draw.randint(0, 3))]
        state = draw.choice([None, "COMPLETE", "PRUNED", "FAILED"])
        add(run, f"{number:03d}", SEARCHED, fmds, state, diverged=diverged)
    rows = rank(run.trials(), None).to_pylist()
    assert len(rows) == 40
    for above, below in pairwise(rows):
        assert (above["images_seen"] or 0) >= (below["images_seen"] or 0)
        if above["images_seen"] != below["images_seen"]:
            assert below["rank"] in (1, None)
            assert not below["tied"]
        elif above["rank"] is None:
            assert below["rank"] is None  # a diverged trial is above none that was measured
        elif below["rank"] is not None:
            assert above["fmd"] <= below["fmd"]
            assert below["rank"] == above["rank"] + 1
    assert all((row["rank"] is None) == (row["fmd"] is None or row["diverged"]) for row in rows)


@pytest.mark.parametrize(("gap", "tied"), [(0.0, True), (9.99, True), (10.01, False)])
def test_a_tie_is_a_gap_below_two_standard_errors_of_the_difference(tmp_path: Path, gap: float, tied: bool) -> None:
    run = Run.create(tmp_path, "ties")
    add(run, "a", SEARCHED, [100.0], fmd_se=3.0)
    add(run, "b", SEARCHED, [100.0 + gap], fmd_se=4.0)  # sqrt(3^2 + 4^2) = 5
    assert rank(run.trials(), None)["tied"].to_pylist() == [False, tied]


def test_only_fields_that_vary_are_columns_and_the_others_are_shared(run: Run) -> None:
    names = ["network/kind", "degradation/kind", "training/lr", "degradation/mask/count"]
    assert varied_fields(run.trials()) == names
    assert rank(run.trials(), None).column_names[-4:] == names
    assert shared_values(run.trials()) == {"network/kind": "unet", "training/target": "x0"}


def test_csv_comes_back_through_arrow_as_it_was(run: Run) -> None:
    write_ranking(run)
    ranking = rank(run.trials(), CARD["floor"])
    types = {field.name: field.type for field in ranking.schema}
    options = pa.csv.ConvertOptions(column_types=types, strings_can_be_null=True, quoted_strings_can_be_null=False)
    assert pa.csv.read_csv(run.ranking, convert_options=options).equals(ranking)


def test_json_holds_the_metric_the_shared_fields_and_the_rows(run: Run) -> None:
    told = json.loads(json.dumps(ranking_content(run, run.trials(), rank_run(run))))
    assert (told["run"], told["metric"], told["shared"]) == ("degradations", CARD, {"training/target": "x0"})
    assert [row["trial"] for row in told["ranking"]] == rank(run.trials(), None)["trial"].to_pylist()
    assert told["ranking"][3]["degradation/mask/count"] == 5
    assert "degradation/mask/count" not in told["ranking"][0]


@pytest.mark.parametrize("form", [["table", "--verbose"], ["markdown"]])
def test_text_marks_baselines_states_ties_budgets_and_the_metric(
    run: Run, form: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([str(run.path), "--format", *form]) == 0
    text = capsys.readouterr().out
    lines = {name: line for line in reversed(text.splitlines()) for name in re.findall(r"\b00\d-\w+", line)}
    marks = {"000-B3": "B3 complete", "002-mask": "pruned", "004-mask": "diverged", "005-morph": "failed"}
    assert all(mark in lines[name] for name, mark in (marks | {"006-morph": "running"}).items())
    assert [name for name, line in lines.items() if "~" in line] == ["001-morph"]
    assert re.search(r"30\.00 ± 1\.00\W+0\.043\W+29\.50\W+36 s\W+morph lr=0\.002", lines["003-morph"])
    assert "mask lr=0.002 count=5" in lines["002-mask"]
    assert "cnn morph lr=0.0002" in lines["000-B3"]
    assert "kernel" not in text  # a baseline's own fields are the literature's, not the search's
    titles = [text.index(f"{images:,} images") for images in sorted(RUNGS, reverse=True)]
    assert titles == sorted(titles)
    assert "spatial_mean-64-512-ab12cd34: real against real images 1.25 (norm. 0), black images 700 (norm. 1)" in text
    assert "B3: baselines" in text
    assert "does not say otherwise: unet x0" in text


def test_a_terminal_shows_what_differs_from_the_first_row_and_no_defaults(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([str(run.path)]) == 0
    text = capsys.readouterr().out
    lines = {name: line for line in reversed(text.splitlines()) for name in re.findall(r"\b00\d-\w+", line)}
    assert "morph lr=0.002" in lines["003-morph"]
    assert re.search(r"36 s +lr=0.003 +complete", lines["001-morph"])
    assert re.search(r"24 s +mask count=5 +pruned", lines["002-mask"])
    assert "say otherwise" not in text


def test_below_a_baseline_the_others_are_told_by_what_differs_from_the_best_that_the_search_drew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run.create(tmp_path, "behind")
    add(run, "000-B3", LITERATURE, [20.0], baseline="B3")
    add(run, "001-morph", SEARCHED, [30.0])
    add(run, "002-morph", SEARCHED | {"training/lr": 0.003}, [40.0])
    assert command.main([str(run.path)]) == 0
    text = capsys.readouterr().out
    assert re.search(r"002-morph.* 12 s +lr=0.003 +running", text)
    assert "what differs from that of 001-morph" in " ".join(text.split())


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_number_is_cut_however_narrow_the_terminal(
    tmp_path: Path, width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    run = fake_runs.search(tmp_path)
    names = [row["trial"] for row in rank_run(run).to_pylist() if row["rank"] is not None][:3]
    fake_runs.confirm(run, names)
    for options in ([], ["--verbose"], ["--at", "seconds"]):
        assert command.main([str(run.path), *options]) == 0
        text = capsys.readouterr().out
        assert max(map(len, text.splitlines())) <= width
        (sheet,) = (block for block in trials_blocks(run, run.trials()) if isinstance(block, Sheet))
        if options[:1] != ["--at"]:
            measured = [row[sheet.columns.index("FMD ± s.e.")] for _, rows in sheet.parts for row in rows]
            assert all(f"  {fmd}  " in text for fmd in measured)
            rows = standings_sheet(fake_runs.result_of(run).standings, {}, {}).parts[0][1]
            assert all(f"  {row[1]}  " in text and f"  {row[3]}  " in text for row in rows)


@pytest.mark.parametrize("width", [100, 120])
def test_a_table_of_many_fields_fits_a_terminal(
    tmp_path: Path, width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    run = Run.create(tmp_path, "wide")
    for number in range(12):
        own = {f"degradation/{number % 4}/field_{i}": 0.1 * number for i in range(8)}
        add(run, f"{number:03d}-degradation", SEARCHED | own, [123.4 + number] * 3, "COMPLETE", fmd_se=0.2)
    command.main([str(run.path)])
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= width
    assert all(f"{number:03d}-degradation" in text and f"{123 + number}.4 ± 0.2" in text for number in range(12))


@pytest.fixture
def speeds(tmp_path: Path) -> Run:
    """A fast trial, a slow one that is better at equal images, and one of a single report."""
    run = Run.create(tmp_path, "speeds")
    run.write_settings({"metric": CARD})
    add(run, "000-fast", SEARCHED, [100.0, 60.0, 40.0], "COMPLETE", train_seconds=10.0)
    add(run, "001-slow", SEARCHED | {"training/lr": 0.003}, [90.0, 50.0, 36.0], "COMPLETE", train_seconds=25.0)
    add(run, "002-mask", SEARCHED | {"degradation/kind": "mask"}, [10.0], "PRUNED", train_seconds=11.0)
    return run


def test_a_ranking_at_equal_seconds_has_the_same_values_in_every_format(
    speeds: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    written = {}
    for form in ("csv", "json", "table"):
        assert command.main([str(speeds.path), "--at", "seconds", "--format", form]) == 0
        written[form] = capsys.readouterr().out
    ranking = rank_at_seconds(speeds.trials(), speeds.curves(), metric_card(speeds))
    assert written["csv"] == csv(ranking)
    told = json.loads(written["json"])
    assert (told["at"], [row["trial"] for row in told["ranking"]]) == ("seconds", ranking["trial"].to_pylist())
    assert "rank" not in told["ranking"][2]
    text = written["table"]
    assert text.index("30 s of training") < text.index("000-fast") < text.index("001-slow")
    assert re.search(r"1 +000-fast +40\.0 ± 1\.0 +40,000 ", text)
    assert re.search(r"2 +001-slow +≈77\.1 ± 1\.0 +12,000 ", text)
    assert "one report only: 002-mask." in text


def test_where_limits_the_table_and_says_what_there_is(speeds: Run, capsys: pytest.CaptureFixture[str]) -> None:
    given = [str(speeds.path), "--format", "json", "--where", "degradation.kind=morph", "--where", "training.lr=0.003"]
    assert command.main(given) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["trial"] for row in told["ranking"]] == ["001-slow"]
    assert told["where"] == {"degradation/kind": "morph", "training/lr": "0.003"}
    assert command.main([str(speeds.path), "--where", "network.conditioning=none"]) == 0
    assert "3 trials" in capsys.readouterr().out
    line = refusal(command.main, [str(speeds.path), "--where", "degradation.kind=blur"], capsys)
    assert "no trial has this value; there are morph (2), mask (1)" in line


def test_a_configuration_in_few_words() -> None:
    variant = {"network/kind": "unet", "a/s": 1, "b/s": 2.0, "training/lr": 2e-3, "training/target": "x0", "x/y": None}
    assert describe_configuration(variant) == "unet x0 a.s=1 b.s=2 lr=0.002"


def test_a_run_without_trials_or_in_the_middle_of_a_line_ranks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run.create(tmp_path, "young")
    for form in ("table", "csv", "markdown", "json"):
        assert command.main([str(run.path), "--format", form]) == 0
    add(run, "000-morph", SEARCHED, [90.0])
    fake_runs.end(run, "001-without-a-start", "FAILED")
    with (run.path / "log.jsonl").open("a") as log:
        log.write('{"event": "repo')
    capsys.readouterr()
    assert command.main([str(run.path)]) == 0
    assert "000-morph" in capsys.readouterr().out
