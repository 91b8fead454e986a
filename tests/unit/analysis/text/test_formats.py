"""What a command writes can be read by what the format is for, and is refused where it cannot."""

import io
import os
import re
from contextlib import redirect_stdout
from csv import reader
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from analysis import rank
from analysis.run.run import Run
from analysis.statistics.ranking import rank_run
from analysis.text.formats import FORMULA, Sheet, comment, csv, latex, markdown, print_blocks, terminal
from analysis.text.words import printable
from tests.helpers import fake_runs
from trainables.config import Flat
from trainables.report import Report

HOSTILE = r"50% of_a & b #1 $x^2$ {c} ~3 \d <|> [e] * é"
SHEET = Sheet(("rank", "trial", "configuration"), ("trial", "configuration"), [("at 10%", [["~1", HOSTILE, "x ± 1"]])])


def add(run: Run, name: str, variant: Flat, fmd: float) -> None:
    fake_runs.start(run, name, variant)
    run.append(Report.from_dict({"trial": name, "images_seen": 10, "fmd": fmd, "fmd_se": 1.0}))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run.create(tmp_path, "small")
    run.write_settings(
        {"metric": {"version": "flat-8-n16-ab", "n": 16, "split": "search", "floor": 1.0, "blank": 700.0}}
    )
    add(run, "000-cold_2", {"sampler/kind": "cold_2", "training/lr": 0.002, "training/batch": 64}, 30.0)
    add(run, "001-morph", {"sampler/kind": "morph", "training/lr": 0.001, "training/batch": 32}, 40.0)
    return run


def test_latex_has_the_cells_of_each_row_and_nothing_special_left() -> None:
    lines = latex(SHEET).splitlines()
    assert lines[0] == r"\begin{tabular}{rlp{0.35\linewidth}}"
    assert lines[-1] == r"\end{tabular}"
    assert lines.count(r"\hline") == 3
    rows = [line for line in lines if line.endswith(r"\\") and "multicolumn" not in line]
    assert [len(re.findall(r"(?<!\\)&", row)) for row in rows] == [2, 2]
    text = re.split(r"(?<!\\)&", rows[1])[1]
    escaped = re.sub(r"\\textbackslash{}|\\textasciicircum{}|\$\\sim\$|\$[<>|]\$|{[\[*]}|\\[%_&#${}]", "", text)
    assert escaped.split() == ["50", "ofa", "b", "1", "x2", "c", "3", "d", "e]", "é"]
    assert r"\multicolumn{3}{l}{\textbf{at 10\%}} \\" in lines
    assert "$\\pm$" in rows[1]


@pytest.mark.parametrize("begin", FORMULA)
def test_a_cell_of_csv_that_would_be_a_formula_is_a_text(begin: str) -> None:
    formula = f'{begin}HYPERLINK("http://example.org")'
    table = pa.table(
        {"trial": ["000-a", formula, None, ""], "fmd": [-1.5, 2.0, 3.0, 4.0], formula: ["-class", "a", "b", "c"]}
    )
    header, *rows = list(reader(io.StringIO(csv(table))))
    assert header == ["trial", "fmd", f"'{formula}"]
    assert rows[:2] == [["000-a", "-1.5", "'-class"], [f"'{formula}", "2", "a"]]


def test_a_terminal_gets_no_command_from_a_text() -> None:
    hostile = "\x1b]0;owned\x07 \x9b2J \u202e \r a"
    shown = io.StringIO()
    sheet = Sheet(("trial",), ("trial",), [(hostile, [[hostile]])], title=hostile)
    print_blocks([hostile, sheet], Console(file=shown, width=200, force_terminal=False))
    assert all(c.isprintable() or c == "\n" for c in shown.getvalue())
    assert shown.getvalue().count("\\x1b]0;owned\\x07 \\x9b2J \\u202e \\r a") == 4
    assert printable("two\nlines, é ± ≈") == "two\nlines, é ± ≈"


def test_a_comment_of_latex_hides_every_line() -> None:
    assert comment("one\ntwo % three") == "% one\n% two % three\n"


def test_markdown_has_as_many_cells_in_every_row() -> None:
    rows = markdown(SHEET).splitlines()
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {4}
    assert rows[1] == "| ---: | --- | --- |"
    assert rows[2] == "|  | **at 10%** |  |"


def test_a_terminal_shows_texts_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    Console(width=120).print(terminal(SHEET, 120))
    assert HOSTILE in capsys.readouterr().out


def test_a_ranking_comes_back_from_parquet_as_it_was(run: Run, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert rank.main([str(run.path), "--format", "parquet"]) == 0
    assert pq.read_table(io.BytesIO(capfdbinary.readouterr().out)).equals(rank_run(run))


def test_a_ranking_in_latex_has_a_row_for_each_trial(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert rank.main([str(run.path), "--format", "latex"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith(r"1 & 000-cold\_2 & 30.0 $\pm$ 1.0 &") for line in lines)
    assert any(line.startswith(r"2 & 001-morph & 40.0 $\pm$ 1.0 &") for line in lines)
    assert [line for line in lines if not re.match(r"%|\\|[12] & |rank & ", line)] == []


def test_parquet_is_refused_on_a_terminal(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    primary, secondary = os.openpty()
    with open(secondary, "w") as terminal, redirect_stdout(terminal):
        assert rank.main([str(run.path), "--format", "parquet"]) == 2
    os.close(primary)
    said = capsys.readouterr().err
    assert re.fullmatch(r"rank\.py: parquet is not for a terminal: [^\n]*> ranking\.parquet\n", said)
