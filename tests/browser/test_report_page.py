"""The report page in a browser: drawn without a complaint, sorted, saved, dark, and on a phone."""

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from analysis.page.context import ReportContext
from analysis.page.report import write_report
from analysis.run.run import Run
from analysis.text import formats
from tests.helpers import fake_runs

SCHEME = "prefers-color-scheme"
SCROLL = """
    const next = [...document.querySelectorAll('.plot')].find(plot => !plot.querySelector('.main-svg'));
    next ? next.scrollIntoView() : scrollTo(0, 0);
    return !next;
"""
PAPER = 688  # CSS pixels between margins of 14 mm on A4


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = fake_runs.search(tmp_path_factory.mktemp("runs"))
    run.write_tables()
    fake_runs.confirm(run, [row["trial"] for row in ReportContext(run).ranked[:3]])
    write_report(run)
    return run


@pytest.fixture
def page(browser: Chrome, run: Run) -> Iterator[Chrome]:
    """The run's page, all plots drawn; what the browser had to say of earlier pages is forgotten."""
    browser.get_log("browser")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": SCHEME, "value": "light"}]})
    opened(browser, run)
    yield browser
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def opened(browser: Chrome, run: Run) -> None:
    """Open a run's page and scroll through it, because a plot is drawn once it is near what is seen."""
    browser.get(run.report.as_uri())
    WebDriverWait(browser, 60, poll_frequency=0.05).until(lambda browser: browser.execute_script(SCROLL))


def rows(browser: Chrome, table: str) -> list[list[list[str]]]:
    """The texts of a table, by body, row and cell, headings of groups left out."""
    script = """return [...document.getElementById(arguments[0]).tBodies].map(body => [...body.rows].filter(
        row => row.cells[0].tagName == 'TD').map(row => [...row.cells].map(cell => cell.textContent)))"""
    return browser.execute_script(script, table)


def press(browser: Chrome, table: str, column: str) -> str:
    """Press a column's heading and return its aria-sort."""
    headings = browser.find_elements(By.CSS_SELECTOR, f"#{table} thead th")
    heading = next(heading for heading in headings if heading.text.startswith(column))
    heading.find_element(By.TAG_NAME, "button").click()
    sorts = [other.get_attribute("aria-sort") for other in headings]
    assert len([sort for sort in sorts if sort != "none"]) == 1
    return str(heading.get_attribute("aria-sort"))


def test_everything_is_drawn_without_a_complaint_or_a_request(page: Chrome, run: Run) -> None:
    plots = page.find_elements(By.CSS_SELECTOR, ".js-plotly-plot")
    places = page.find_elements(By.CSS_SELECTOR, ".plot")
    assert len(plots) == len(places) >= 7
    for plot in plots:
        assert plot.find_elements(By.CSS_SELECTOR, ".scatterlayer .trace")
    pictures = "return [...document.images].map(image => image.naturalWidth)"
    assert min(page.execute_script(pictures)) > 0
    loaded = page.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name for name in loaded if not name.startswith(("data:", "blob:"))] == []
    assert page.get_log("browser") == []


def test_a_press_sorts_each_budget_by_the_values_of_the_table_of_trials(page: Chrome, run: Run) -> None:
    trials = pq.read_table(run.path / "trials.parquet").to_pylist()
    fmd = {row["trial"]: row["fmd"] for row in trials}
    seen = {row["trial"]: row["images_seen"] for row in trials}
    for direction in ("ascending", "descending"):
        assert press(page, "ranking-table", "FMD") == direction
        bodies = [[row[1] for row in body] for body in rows(page, "ranking-table")]
        assert sorted(name for body in bodies for name in body) == sorted(fmd)
        for body in bodies:
            assert len({seen[name] for name in body}) == 1
            assert [fmd[name] for name in body] == sorted((fmd[n] for n in body), reverse=direction == "descending")


def test_texts_sort_as_texts_and_what_is_missing_comes_last(page: Chrome) -> None:
    for direction in ("ascending", "descending"):
        assert press(page, "ranking-table", "trial") == direction
        for body in rows(page, "ranking-table"):
            names = [row[1] for row in body]
            assert names == sorted(names, reverse=direction == "descending")
    for _ in range(2):
        press(page, "ranking-table", "rank")
        for body in rows(page, "ranking-table"):
            missing = [row[0] == "-" for row in body]
            assert missing == sorted(missing)


def test_the_csv_is_the_table_as_it_is_shown(page: Chrome, downloads: Path) -> None:
    for table in ("ranking-table", "confirmed-table", "pruned-table", "effects-table"):
        file = downloads / f"{table}.csv"
        press(page, table, "trial" if table != "effects-table" else "trials")
        page.execute_script("arguments[0].click()", page.find_element(By.CSS_SELECTOR, f"button[data-table={table}]"))
        WebDriverWait(page, 30).until(lambda _, file=file: file.is_file() and file.stat().st_size > 0)
        head, *lines = csv.reader(io.StringIO(file.read_bytes().decode()))
        grouped = head[0] == "budget"
        shown = [row for body in rows(page, table) for row in body]
        assert [line[grouped:] for line in lines] == shown
        headings = page.find_elements(By.CSS_SELECTOR, f"#{table} thead th button")
        assert head[grouped:] == [heading.get_attribute("textContent") for heading in headings]
        if grouped:
            assert len({line[0] for line in lines}) == len(rows(page, table))


TEXTS = ("=HYPERLINK(1)", "+1+1", "-1+1", "@A1", "\t=1", "\r=1", "-a", "plain", "a, b", 'a "b"', "", "-", "-0.5", "7")


def test_the_csv_has_an_apostrophe_where_the_one_of_the_ranking_has_it(page: Chrome) -> None:
    for text in TEXTS:
        quoted = page.execute_script("return quoted(arguments[0])", text) or '""'
        ((said,),) = csv.reader(io.StringIO(quoted, newline=""))
        is_number = re.fullmatch(r"-?[\d.]+", text)
        values = pa.array([float(text)]) if is_number else pa.array([text])
        _, (expected,) = csv.reader(io.StringIO(formats.csv(pa.table({"x": values})), newline=""))
        assert float(said) == float(expected) if is_number else said == (text if text == "-" else expected)


def test_dark_is_dark_also_in_the_plots_and_at_once(page: Chrome) -> None:
    ink = "return getComputedStyle(document.querySelector('.plot .xtick text')).fill"
    paper = "return getComputedStyle(document.body).backgroundColor"
    light = page.execute_script(paper), page.execute_script(ink)
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": SCHEME, "value": "dark"}]})
    WebDriverWait(page, 30).until(lambda page: page.execute_script(ink) != light[1])
    dark = page.execute_script(paper), page.execute_script(ink)
    bright = [[sum(map(int, colour.strip("rgb()").split(","))) for colour in pair] for pair in (light, dark)]
    assert bright[0][0] > 600 > 300 > bright[0][1]
    assert bright[1][0] < 150 < 450 < bright[1][1]


def test_nothing_is_wider_than_the_screen_and_a_table_is_scrolled_and_its_words_stay_whole(
    page: Chrome, run: Run
) -> None:
    outside = """return [...document.querySelectorAll('main *')].filter(
        e => !e.closest('.scroll, .plotbox, pre') && e.getBoundingClientRect().right > arguments[0] + 1
    ).map(e => e.outerHTML.slice(0, 80))"""
    narrow = """return [...document.querySelectorAll('tbody td')].filter(
        cell => cell.textContent.trim() && cell.getBoundingClientRect().width < 24).length"""
    hidden = """return [...document.querySelectorAll('.scroll')].filter(
        box => box.scrollWidth > box.clientWidth && getComputedStyle(box).overflowX != 'auto').length"""
    for width in (320, 390, 1200):
        screen = {"width": width, "height": 844, "deviceScaleFactor": 2, "mobile": width < 1000}
        page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        opened(page, run)
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
        assert page.execute_script(outside, width) == []
        assert page.execute_script(narrow) == page.execute_script(hidden) == 0


def test_on_paper_no_plot_is_cut_and_nothing_is_folded_away(page: Chrome) -> None:
    pdf = page.execute_cdp_cmd("Page.printToPDF", {"paperWidth": 8.27, "paperHeight": 11.69})["data"]
    assert len(pdf) > 10_000
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"media": "print", "features": [{"name": SCHEME, "value": "dark"}]}
    )
    screen = {"width": PAPER, "height": 950, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    page.execute_script("dispatchEvent(new Event('beforeprint'))")
    wide = f"""return [...document.querySelectorAll('main *')].filter(
        node => node.getBoundingClientRect().right > {PAPER} + 1).map(node => node.outerHTML.slice(0, 80))"""
    assert page.execute_script(wide) == []
    svg = "return [...document.querySelectorAll('.plot')].map(plot => [plot.getBoundingClientRect().width, " + (
        "plot.querySelector('.main-svg').getBoundingClientRect().width])"
    )
    assert all(drawn <= place + 1 for place, drawn in page.execute_script(svg))
    folded = "return document.querySelectorAll('details:not([open])').length"
    assert page.execute_script(folded) == 0
    ink = "return getComputedStyle(document.querySelector('.plot .xtick text')).fill"
    assert sum(map(int, page.execute_script(ink).strip("rgb()").split(","))) < 300  # dark on white paper
    page.execute_script("dispatchEvent(new Event('afterprint'))")
    assert page.execute_script(folded) > 0
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


def test_every_heading_has_something_under_it(page: Chrome) -> None:
    empty = """return [...document.querySelectorAll('h2, h3')].filter(head => {
        const next = head.nextElementSibling;
        const heads = head.localName == 'h2' ? 'h2' : 'h2, h3';
        return !next || next.matches(heads) || next.getBoundingClientRect().height == 0;
    }).map(head => head.textContent)"""
    assert page.execute_script(empty) == []


@pytest.mark.slow
def test_a_page_of_three_thousand_trials_is_small_and_its_tables_sort(browser: Chrome, tmp_path: Path) -> None:
    run = fake_runs.many(tmp_path, 3_000)
    write_report(run)
    assert run.report.stat().st_size < 20_000_000
    browser.get(run.report.as_uri())
    shown = """return [...document.querySelectorAll('#ranking-table tbody')].map(body => [...body.rows].filter(
        row => row.offsetHeight && row.cells[0].tagName == 'TD').map(row => row.cells[1].textContent))"""
    ranked = [[row[1] for row in body] for body in rows(browser, "ranking-table")]
    assert sum(map(len, ranked)) == 3_000
    assert browser.execute_script(shown) == [names[:100] for names in ranked]
    assert press(browser, "ranking-table", "FMD") == "ascending"
    assert press(browser, "ranking-table", "FMD") == "descending"
    assert browser.execute_script(shown) == [names[::-1][:100] for names in ranked]
    browser.find_element(By.CSS_SELECTOR, "button.whole[data-table=ranking-table]").click()
    assert browser.execute_script(shown) == [names[::-1] for names in ranked]


def test_another_budget_can_be_chosen_and_a_trial_singled_out(page: Chrome, run: Run) -> None:
    trials = run.trials()["trial"].to_pylist()
    select = page.find_element(By.XPATH, "//*[@id='choices-plot']/../preceding-sibling::label[1]/select")
    lines = "return document.querySelectorAll('#choices-plot .scatterlayer .trace').length"
    counts = []
    for option in select.find_elements(By.TAG_NAME, "option"):
        option.click()
        count = int(option.text.split(" images, ")[1].split(" ")[0])
        WebDriverWait(page, 30).until(lambda page, count=count: page.execute_script(lines) == count)
        counts.append(count)
    assert len(set(counts)) > 1
    point = page.find_elements(By.CSS_SELECTOR, "#choices-plot .trace .point")[-1]
    ActionChains(page).move_to_element(point).perform()
    chosen = "#choices-plot.lit .trace.chosen"
    WebDriverWait(page, 30).until(lambda page: len(page.find_elements(By.CSS_SELECTOR, chosen)) == 1)
    assert len(point.find_elements(By.XPATH, "ancestor::*[contains(@class, 'chosen')]")) == 1
    told = page.execute_script("return document.querySelector('#choices-plot .hoverlayer').textContent")
    assert any(name in told for name in trials)


def test_what_a_run_is_called_does_nothing_in_a_browser(page: Chrome, tmp_path: Path) -> None:
    name = "<img src=x onerror=\"document.title='broken'\"></script><script>document.title='broken'</script>"
    run = Run.create(tmp_path, "hostile")
    run.write_settings(fake_runs.settings("hostile") | {"space": name})
    for number in range(6):
        trial = f"{number}-x"  # the log refuses a name that could do harm
        fake_runs.start(run, trial, {"degradation/kind": f"{name}{number % 2}", f"training/{name}": number})
        fake_runs.report(run, trial, 0, 50.0 + number)
        fake_runs.report(run, trial, 1, 40.0 + number)
    write_report(run)
    opened(page, run)
    page.execute_script("Plotly.Fx.hover('curves-plot', [{curveNumber: 0, pointNumber: 0}])")
    assert page.find_elements(By.CSS_SELECTOR, "img") == []
    assert page.title == "hostile"
    hover = page.execute_script("return document.querySelector('#curves-plot .hoverlayer').textContent")
    assert re.search(r"\d-x", hover)
    figures = page.execute_script("return document.getElementById('curves-plot-figures').textContent")
    assert json.loads(figures)
    assert page.get_log("browser") == []
