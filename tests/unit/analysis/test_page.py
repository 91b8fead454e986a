"""Laws of the report page beyond its sections' content: contrast, size, LaTeX, order and names."""

import base64
import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from analysis.page.choices import choices
from analysis.page.context import COLOURED, ReportContext
from analysis.page.elements import NARROW, narrow, table
from analysis.page.plots import MOST_LINES, joined
from analysis.page.report import page, write_report
from analysis.run.run import Run
from analysis.text.formats import GAP, Sheet
from tests.helpers import fake_runs
from tests.helpers.pages import ROOT

CSS = (ROOT / "analysis/page/templates/page.css").read_text()
MEANING = ("ink", "muted", "link", "other", "mark", "c1", "c2", "c3", "c4", "c5")
RANKED = Sheet(
    ("rank", "trial", "FMD", "norm.", "corr.", "train", "configuration"),
    ("trial", "configuration"),
    [
        (
            "9,000 images",
            [["1", "000-gaussian-class", "7.00 ± 0.2", "0.009", "5.1", "61 s", "lr=0.008, 50 % more & less"]],
        )
    ],
    title="Trials by budget",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return fake_runs.search(tmp_path_factory.mktemp("runs"), trials=64)


@pytest.fixture(scope="module")
def source(run: Run) -> str:
    """The page of the run."""
    return page(run)


def colours(scheme: str) -> dict[str, str]:
    """The colours of a scheme, "light" or "dark", by their CSS variables."""
    light, _, dark = CSS.partition("@media (prefers-color-scheme: dark)")
    text = light if scheme == "light" else dark.partition("\n}\n")[0]
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", text))


def luminance(colour: str) -> float:
    """The relative luminance of a colour, as WCAG 2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("behind", ["paper", "raised"])
@pytest.mark.parametrize("name", MEANING)
def test_what_carries_meaning_has_contrast(scheme: str, behind: str, name: str) -> None:
    found = colours(scheme)
    dark, light = sorted((luminance(found[name]), luminance(found[behind])))
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def figures(source: str) -> dict[str, list[dict[str, Any]]]:
    """The figures of each plot of a page, by its id."""
    found = re.findall(r'<script type="application/json" id="([\w-]+)-figures">(.*?)</script>', source, re.DOTALL)
    return {name: json.loads(text) for name, text in found}


def test_no_mark_and_no_line_is_faded_below_its_contrast(source: str) -> None:
    traces = [t for drawn in figures(source).values() for figure in drawn for t in figure["data"]]
    assert traces
    assert {trace.get("opacity", 1) for trace in traces} == {1}
    assert not [trace for trace in traces if "opacity" in trace.get("marker", {})]


def test_the_curves_have_a_legend_that_names_each_coloured_trial(run: Run, source: str) -> None:
    section = source.split('<section id="curves">')[1].split("</section>")[0]
    legend = section.split('<p class="note legend">')[1].split("</p>")[0]
    named = re.findall(r'swatch (\w+)" aria-hidden="true"></span>([^<]*)', legend)
    best = ReportContext(run).best
    assert named == [*((f"c{place + 1}", name) for place, name in enumerate(best)), ("other", "other trials")]


def test_budgets_are_in_order_and_the_one_of_the_importances_is_shown_first(run: Run, source: str) -> None:
    shown = choices(ReportContext(run))
    drawn = shown["figures"]
    assert isinstance(drawn, list)
    budgets = [int(figure["label"].partition(" ")[0].replace(",", "")) for figure in drawn]
    assert len(budgets) > 1
    assert all(one > other for one, other in pairwise(budgets))
    influence = source.split('<section id="influence">')[1]
    compared = re.search(r"measured at ([\d,]+) images", influence)
    assert budgets[int(str(shown["first"]))] == int(compared[1].replace(",", ""))


def test_the_rungs_are_called_rungs_and_the_last_compared_by_its_images(tmp_path: Path) -> None:
    run = fake_runs.begun(tmp_path, "lower")
    for number in range(6):  # none reaches the full budget
        fake_runs.start(run, f"{number}-x", {"training/lr": 0.001 * (1 + number)})
        for rung in range(2):
            fake_runs.report(run, f"{number}-x", rung, 90.0 + number - 20 * rung)
    section = page(run).split('<section id="rungs">')[1].split("</section>")[0]
    assert "final" not in section
    assert "36,000 images" in section
    assert re.search(r">rung</button>", section)


def test_a_page_of_64_trials_with_pictures_is_small(run: Run) -> None:
    for name in run.starts():
        fake_runs.draw(run, name, size=250)  # 60 kB of noise, as much as 64 digits
    assert write_report(run).stat().st_size < 5_000_000


def test_more_lines_than_plotly_draws_fast_become_one_trace_with_gaps() -> None:
    line = {
        "x": [1, 2],
        "y": [3, 4],
        "hovertext": ["a", "b"],
        "marker": {"color": "c", "size": [5, 6]},
        "mode": "lines",
    }
    assert joined([line] * MOST_LINES) == [line] * MOST_LINES
    (together,) = joined([line] * (MOST_LINES + 1))
    assert together["x"] == [1, 2, None] * (MOST_LINES + 1)
    assert together["hovertext"][:3] == ["a", "b", None]
    assert together["marker"] == {"color": "c", "size": [5, 6, None] * (MOST_LINES + 1)}
    assert together["mode"] == "lines"


def test_of_hundreds_of_trials_no_plot_has_more_traces_than_are_drawn_at_once(tmp_path: Path) -> None:
    drawn = figures(page(fake_runs.many(tmp_path, 3 * MOST_LINES)))
    counts = {name: max(len(figure["data"]) for figure in of_plot) for name, of_plot in drawn.items()}
    assert {"curves-plot", "choices-plot"} <= counts.keys()
    assert max(counts.values()) <= MOST_LINES + COLOURED


def test_latex_has_a_caption_and_the_rules_of_booktabs() -> None:
    text = table(RANKED)
    order = ["\\begin{table}", "\\caption{Trials by budget}", "\\toprule", "\\midrule", "\\bottomrule", "\\end{table}"]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert "\\hline" not in text
    rows = [line for line in text.splitlines() if line.endswith("\\\\") and "multicolumn" not in line]
    assert [len(re.findall(r"(?<!\\)&", row)) for row in rows] == [len(RANKED.columns) - 1] * 2
    assert "50 \\% more \\& less" in text


def test_a_narrow_table_fits_a_column_and_keeps_trial_and_fmd() -> None:
    short = narrow(RANKED)
    assert "configuration" not in short.columns
    assert {"trial", "FMD"} <= set(short.columns)
    assert sum(short.width(name) + GAP for name in short.columns) <= NARROW


def test_every_table_of_the_page_can_be_had_as_latex_in_both_widths(source: str) -> None:
    found = re.findall(r'download="([\w-]+)\.tex" href="data:application/x-tex;base64,([^"]*)"', source)
    names = [name for name, _ in found]
    assert "ranking-table" in names
    assert {f"{name}-narrow" for name in names if not name.endswith("-narrow")} <= set(names)
    for _, data in found:
        assert "\\toprule" in base64.b64decode(data).decode()
