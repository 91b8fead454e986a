"""What TensorBoard shows of a run in a browser: the table of configurations, the curves, the pictures."""

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from selenium.webdriver import Chrome
from selenium.webdriver.support.wait import WebDriverWait

from analysis.run.run import Run
from search.progress.tensorboard import rung_tag
from search.show import MOST
from tests.helpers import fake_runs
from tests.helpers.event_files import write_events
from tests.helpers.pages import ROOT

pytestmark = pytest.mark.slow

BLUR = {"degradation/kind": "blur", "degradation/blur/sigma": 1.5, "training/lr": 0.002, "network/kind": "cnn"}
MASK = {"degradation/kind": "mask", "degradation/mask/count": 5, "training/lr": 0.001, "network/kind": "cnn"}
TRIALS = {
    "000-blur": (BLUR, "", (90.0, 45.0)),
    "001-A4": (MASK, "A4", (300.0,)),
    "002-blur": (BLUR | {"degradation/blur/sigma": 2.5, "training/lr": 0.004}, "", (80.0,)),
    "003-mask": (MASK | {"degradation/mask/count": 7}, "", ()),
}
RUNS = {"one": 1.0, "two": 2.0}
"""By the run: what its FMDs are multiplied by"""
BUDGETS = (1000, 3000)
ROWS = {f"{run}/search/{trial}": (run, trial) for run in RUNS for trial in TRIALS}
COLUMNS = {images: rung_tag(images, {}) for images in BUDGETS}
MASKED = "degradation/mask/count"
SECONDS = 60  # a page is there within ten on an idle machine
# TensorBoard's own, of libraries that it ships, and Chromium's of a machine without a GPU.
NOISE = re.compile(
    r"Multiple instances of Three\.js|\"paper-(header-panel|toolbar)\" \"is deprecated|"
    r"Automatic fallback to software WebGL|GL Driver Message"
)
# Custom elements draw in shadow roots, which neither a selector nor an XPath enters.
EVERYTHING = """
    const all = [];
    const walk = node => {
        if (node.nodeType == 1) all.push(node);
        (node.childNodes || []).forEach(walk);
        if (node.shadowRoot) walk(node.shadowRoot);
    };
    walk(document.body);
"""
CELLS = (
    EVERYTHING
    + """return all.filter(node => node.localName == 'vaadin-grid-cell-content').map(node => {
        const at = node.getBoundingClientRect();
        return [Math.round(at.y + at.height / 2), Math.round(at.x), node.innerText.trim()];
    }).filter(([y, x, text]) => y > 0)"""
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two searches whose trials have the same names."""
    root = tmp_path_factory.mktemp("runs")
    for name, factor in RUNS.items():
        run = Run.create(root, name)
        for trial, (variant, baseline, fmds) in TRIALS.items():
            fake_runs.start(run, trial, variant, baseline)
            Image.new("L", (56, 28), 60).save(run.picture(trial, "samples"))
            Image.new("L", (84, 14), 60).save(run.picture(trial, "degradation"))
            for rung, fmd in enumerate(fmds):
                fake_runs.report(run, trial, rung, factor * fmd, images_seen=BUDGETS[rung])
            if fmds:
                fake_runs.end(run, trial, "COMPLETE" if len(fmds) > 1 else "PRUNED")
        write_events(run)
    return root


@contextmanager
def shown(folder: Path) -> Iterator[str]:
    """A TensorBoard of a folder of runs as a user starts it; its address."""
    command = [sys.executable, str(ROOT / "search/show.py"), str(folder), "--port", "0", "--host", "127.0.0.1"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        yield next(found[0] for line in process.stderr if (found := re.search(r"http://[\d.:]+/", line)))
    finally:
        process.terminate()
        _, errors = process.communicate()
    assert "Traceback" not in errors


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=SECONDS) as answer:
        return json.load(answer)


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """The address of a TensorBoard of both searches that has read all trials."""
    with shown(folder) as url:
        WebDriverWait(url, SECONDS, poll_frequency=0.2).until(lambda at: ROWS.keys() <= set(_get(f"{at}data/runs")))
        yield url


@pytest.fixture
def show(browser: Chrome, url: str) -> Iterator[Callable[[str], Chrome]]:
    """Open a tab of TensorBoard; at the end the console must have said nothing that TensorBoard does not always say."""

    def open_tab(name: str) -> Chrome:
        browser.get("about:blank")  # else a change of the fragment alone would load nothing
        browser.get(f"{url}#{name}")
        return browser

    browser.get_log("browser")
    yield open_tab
    assert [entry for entry in browser.get_log("browser") if not NOISE.search(entry["message"])] == []


def until(browser: Chrome, answer: Callable[[Chrome], Any]) -> Any:
    """Return the first answer that is not empty."""
    return WebDriverWait(browser, SECONDS, poll_frequency=0.2).until(answer)


def table(browser: Chrome) -> list[list[str]]:
    """The HParams table, row by row, the headings first."""
    rows: dict[int, list[tuple[int, str]]] = {}
    for y, x, text in browser.execute_script(CELLS):
        rows.setdefault(y, []).append((x, text))
    return [[text for _, text in sorted(rows[y])] for y in sorted(rows) if any(text for _, text in rows[y])]


def complete_table(browser: Chrome, columns: set[str]) -> list[dict[str, str]] | None:
    """The table by heading, once it has these columns and all trials."""
    headings, *rows = table(browser) or [[]]
    if not columns <= set(headings) or len(rows) < len(ROWS):
        return None
    return [dict(zip(headings, row, strict=True)) for row in rows]


def test_hparams_lists_each_trial_of_each_run_with_what_differs_and_its_fmd_at_each_budget(
    show: Callable[[str], Chrome],
) -> None:
    browser = show("hparams")
    found = until(browser, lambda b: complete_table(b, {"baseline", *COLUMNS.values()}))
    rows = {row["Trial ID"]: row for row in found}
    assert list(rows) == list(ROWS)
    everywhere, conditional = ["degradation/kind", "training/lr"], ["degradation/blur/sigma", MASKED]
    metrics = [COLUMNS[3000], COLUMNS[1000], "images_seen", "images_per_second"]
    assert [name for name in found[0] if name in {*everywhere, "baseline", *conditional, *metrics}] == [
        *everywhere,
        "baseline",
        *conditional,
        *metrics,
    ]
    assert "network/kind" not in found[0]  # all have the same
    for name, (run, trial) in ROWS.items():
        row, (variant, baseline, fmds) = rows[name], TRIALS[trial]
        assert row["baseline"] == (baseline or "none")
        assert row["degradation/kind"] == variant["degradation/kind"]
        for field in ("training/lr", *conditional):
            assert row[field] == "" if field not in variant else float(row[field]) == variant[field]
        shown = {images: float(row[column]) for images, column in COLUMNS.items() if row[column]}
        assert shown == {images: RUNS[run] * fmd for images, fmd in zip(BUDGETS, fmds, strict=False)}


def test_time_series_show_fmd_first_over_images_seen_and_then_the_pictures(show: Callable[[str], Chrome]) -> None:
    browser = show("timeseries")
    groups = "return [...document.querySelectorAll('.group-title')].map(node => node.innerText.trim())"
    titles = until(browser, lambda b: "samples" in (found := b.execute_script(groups)) and found)
    assert titles.index("fmd") < titles.index("fmd_normalised") < titles.index("samples") < titles.index("strip")
    card = "return document.querySelector('scalar-card')?.innerText.split(/\\s*\\n\\s*/) || []"
    words = until(browser, lambda b: "two/search/002-blur" in (found := b.execute_script(card)) and found)
    for name, (run, trial) in ROWS.items():
        if fmds := TRIALS[trial][2]:
            at = words.index(name)  # run, smoothed, value, step
            assert float(words[at + 2]) == RUNS[run] * fmds[-1]
            assert words[at + 3] == f"{BUDGETS[len(fmds) - 1]:,}"


def test_pictures_are_there_at_the_last_report_with_those_before_on_a_slider(show: Callable[[str], Chrome]) -> None:
    browser = show("images")
    pictures = EVERYTHING + (
        "return all.filter(node => node.localName == 'tf-image-loader').map(node =>"
        "[node.run, node.tag, node._steps.length, node.shadowRoot?.querySelector('img')?.naturalWidth"
        " || node.querySelector('img')?.naturalWidth])"
    )
    loaded = until(browser, lambda b: (found := b.execute_script(pictures)) and all(map(all, found)) and found)
    assert sorted(map(tuple, loaded)) == sorted(
        (name, tag, len(fmds), width)
        for name, (_, trial) in ROWS.items()
        for tag, width in (("samples", 56), ("strip", 84))
        if (fmds := TRIALS[trial][2])
    )


def test_of_more_trials_than_tensorboard_ticks_it_opens_with_the_best_ticked(browser: Chrome, tmp_path: Path) -> None:
    run = fake_runs.search(tmp_path, trials=MOST + 2)
    write_events(run)
    ticked = EVERYTHING + (
        "return all.filter(node => node.localName == 'paper-checkbox' && node.checked).map(node => node.id)"
    )
    with shown(tmp_path) as url:
        WebDriverWait(url, SECONDS, poll_frequency=0.2).until(lambda at: len(_get(f"{at}data/runs")) == MOST + 1)
        browser.get(url)
        until(browser, lambda b: b.execute_script("return document.querySelectorAll('scalar-card').length > 0"))
        browser.get("about:blank")
        browser.get(f"{url}#images")
        until(browser, lambda b: sum("search/" in name for name in b.execute_script(ticked)) == MOST)
