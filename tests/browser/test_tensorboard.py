"""What TensorBoard shows of a run in a browser: the table of configurations, the curves, the pictures."""

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PIL import Image
from selenium.webdriver import Chrome
from selenium.webdriver.support.wait import WebDriverWait

from analysis.run.events import Start
from analysis.run.run import Run
from search.progress.tensorboard import TensorBoardWriter
from trainables.report import Report

pytestmark = pytest.mark.slow

BLUR = {"degradation/kind": "blur", "degradation/blur/sigma": 1.5, "training/lr": 0.002, "network/kind": "cnn"}
MASK = {"degradation/kind": "mask", "degradation/mask/count": 5, "training/lr": 0.001, "network/kind": "cnn"}
TRIALS = {
    "000-blur": (BLUR, "", (90.0, 45.0)),
    "001-A4": (MASK, "A4", (300.0,)),
    "002-blur": (BLUR | {"degradation/blur/sigma": 2.5, "training/lr": 0.004}, "", (80.0,)),
    "003-mask": (MASK | {"degradation/mask/count": 7}, "", ()),
}
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
TICK = (
    EVERYTHING
    + """all.filter(node => node.localName == 'paper-checkbox' && arguments[0].includes(node.textContent.trim()))
        .forEach(node => node.checked || node.click())"""
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run.create(tmp_path_factory.mktemp("runs"), "board")
    board = TensorBoardWriter(run)
    for trial, (variant, baseline, fmds) in TRIALS.items():
        board.start(Start(trial, 0, 0, baseline, variant))
        for rung, fmd in enumerate(fmds):
            Image.new("L", (56, 28), 60).save(run.picture(trial, "samples"))
            Image.new("L", (84, 14), 60).save(run.picture(trial, "degradation"))
            numbers = {"fmd": fmd, "fmd_normalised": fmd / 500, "loss": 0.5, "validation_loss": 0.6, "ssim": 0.7}
            rest = {"images_seen": 1000 * 3**rung, "images_per_second": 800.0, "diverged": False}
            board.report(Report.from_dict({"trial": trial, **numbers, **rest}))
        if fmds:
            board.end(trial, "COMPLETE" if len(fmds) > 1 else "PRUNED")
    return run


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=SECONDS) as answer:
        return json.load(answer)


@pytest.fixture(scope="module")
def url(run: Run) -> Iterator[str]:
    """A TensorBoard as a user starts it."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(run.tensorboard), "--port", "0"]
    process = subprocess.Popen([*command, "--host", "127.0.0.1"], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"http://[\d.:]+/", line):
            runs = f"{found[0]}data/runs"
            WebDriverWait(runs, SECONDS, poll_frequency=0.2).until(lambda at: set(TRIALS) == set(_get(at)))
            yield found[0]
            break
    process.terminate()
    _, errors = process.communicate()
    assert "Traceback" not in errors


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
    if not columns <= set(headings) or len(rows) < len(TRIALS):
        return None
    return [dict(zip(headings, row, strict=True)) for row in rows]


def test_hparams_lists_every_trial_with_what_differs_its_baseline_and_its_fmd(show: Callable[[str], Chrome]) -> None:
    browser = show("hparams")
    differing = {"baseline", "degradation/blur/sigma", "degradation/kind", "degradation/mask/count", "training/lr"}
    rows = {row["Trial ID"]: row for row in until(browser, lambda b: complete_table(b, differing | {"fmd"}))}
    assert list(rows) == list(TRIALS)
    assert "network/kind" not in rows["000-blur"]  # all have the same
    for trial, (variant, baseline, fmds) in TRIALS.items():
        row = rows[trial]
        assert row["baseline"] == (baseline or "none")
        assert row["degradation/kind"] == variant["degradation/kind"]
        for name in ("training/lr", "degradation/blur/sigma", "degradation/mask/count"):
            assert row[name] == "" if name not in variant else float(row[name]) == variant[name]
        shown = [float(row[name]) for name in ("fmd", "fmd_normalised", "images_seen") if row[name]]
        assert shown == ([fmds[-1], fmds[-1] / 500, 1000 * 3 ** (len(fmds) - 1)] if fmds else [])


def test_a_field_that_all_share_is_last_and_a_tick_away(show: Callable[[str], Chrome]) -> None:
    browser = show("hparams")
    until(browser, lambda b: complete_table(b, {"baseline", "fmd"}))
    browser.execute_script(TICK, ["network/kind"])
    rows = until(browser, lambda b: complete_table(b, {"network/kind"}))
    headings = list(rows[0])
    assert headings.index("network/kind") == headings.index("fmd") - 1
    assert {row["network/kind"] for row in rows} == {"cnn"}


def test_time_series_show_fmd_first_over_images_seen_and_then_the_pictures(show: Callable[[str], Chrome]) -> None:
    browser = show("timeseries")
    groups = "return [...document.querySelectorAll('.group-title')].map(node => node.innerText.trim())"
    titles = until(browser, lambda b: "samples" in (found := b.execute_script(groups)) and found)
    assert titles.index("fmd") < titles.index("fmd_normalised") < titles.index("samples") < titles.index("strip")
    card = "return document.querySelector('scalar-card')?.innerText.split(/\\s*\\n\\s*/) || []"
    words = until(browser, lambda b: "002-blur" in (found := b.execute_script(card)) and found)
    for trial, (_, _, fmds) in TRIALS.items():
        if fmds:
            at = words.index(trial)  # run, smoothed, value, step
            assert (float(words[at + 2]), words[at + 3]) == (fmds[-1], f"{1000 * 3 ** (len(fmds) - 1):,}")


def test_pictures_are_there_at_the_last_report_with_those_before_on_a_slider(show: Callable[[str], Chrome]) -> None:
    browser = show("images")
    pictures = EVERYTHING + (
        "return all.filter(node => node.localName == 'tf-image-loader').map(node =>"
        "[node.run, node.tag, node._steps.length, node.shadowRoot?.querySelector('img')?.naturalWidth"
        " || node.querySelector('img')?.naturalWidth])"
    )
    loaded = until(browser, lambda b: (found := b.execute_script(pictures)) and all(map(all, found)) and found)
    assert sorted(map(tuple, loaded)) == sorted(
        (trial, tag, len(fmds), width)
        for trial, (_, _, fmds) in TRIALS.items()
        for tag, width in (("samples", 56), ("strip", 84))
        if fmds
    )
