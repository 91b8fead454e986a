"""How long the report page of many trials takes: `PYTHONPATH=. python tests/benchmarks/page.py [--trials 3000]`.

A page of a made-up search is written, and opened several times in a new headless Chromium. Each time has the seconds
from the request until the first screen is painted, until a press on a link of the contents has led there, and from then
on until presses have sorted the ranking, and until each plot has come into view and is drawn. In brackets are the
CPU-seconds of the page's own thread, on which other work on the machine has no influence. The last rows count what is
in the document at load.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome
from side_by_side import heading, machine, show

from analysis.page.report import write_report
from tests.helpers import fake_runs
from tests.helpers.chromium import chromium

# Two frames: what a press has changed is on the screen then.
PAINTED = "const done = arguments[arguments.length - 1]; requestAnimationFrame(() => requestAnimationFrame(done));"
PRESS = "document.querySelector(arguments[0]).click();"
SCROLL = "document.querySelectorAll('.plot')[arguments[0]].scrollIntoView();"
DRAWN = "return !!document.querySelectorAll('.plot')[arguments[0]].querySelector('.main-svg');"
FIRST_PAINT = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime;"
COUNTS = {
    "elements": "return document.querySelectorAll('*').length",
    "rows on show": "return [...document.querySelectorAll('tbody tr')].filter(row => row.offsetHeight).length",
    "rows": "return document.querySelectorAll('tbody tr').length",
    "plots": "return document.querySelectorAll('.plot').length",
}


def until(answers: Callable[[], object]) -> None:
    """Ask until the answer is true; a page that is not there yet has none."""
    while True:
        try:
            if answers():
                return
        except WebDriverException:
            pass
        time.sleep(0.01)


def pressed(browser: Chrome, selector: str) -> None:
    """Press what a selector finds, and wait until its effect is on the screen."""
    browser.execute_async_script(PRESS + PAINTED, selector)


class Clock:
    """Seconds of what happens in a browser, and those that its page computed."""

    def __init__(self, browser: Chrome) -> None:
        browser.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
        self._browser = browser
        self.seconds: dict[str, tuple[float, float]] = {}
        self.begin()

    def begin(self) -> None:
        """Count from here."""
        self._began = time.monotonic(), self._computed()

    def take(self, name: str) -> None:
        """Keep the seconds since `begin`."""
        self.seconds[name] = time.monotonic() - self._began[0], self._computed() - self._began[1]

    def _computed(self) -> float:
        metrics = self._browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))


def opened(page: Path) -> tuple[dict[str, tuple[float, float]], dict[str, int]]:
    """Return the seconds of what a reader waits for, and what the document held."""
    browser = chromium({}, waits=False)
    if browser is None:
        raise SystemExit("no chromium and chromedriver on the path")
    browser.set_script_timeout(300)
    try:
        clock = Clock(browser)
        browser.get(page.as_uri())
        until(lambda: browser.execute_script("return !!document.querySelector('nav a[href=\"#ranking\"]')"))
        until(lambda: browser.execute_script(PRESS + "return scrollY > 0", 'nav a[href="#ranking"]'))
        browser.execute_async_script(PAINTED)
        clock.take("a press on the contents")
        until(lambda: browser.execute_script("return document.readyState == 'complete'"))
        until(lambda: browser.execute_script("return !!window.Plotly"))
        clock.take("all is loaded")
        clock.seconds["first paint"] = browser.execute_script(FIRST_PAINT) / 1000, math.nan
        counts = {name: browser.execute_script(script) for name, script in COUNTS.items()}
        for name, column in (("sort by trial", 2), ("sort by FMD", 3), ("sort by FMD again", 3)):
            clock.begin()
            pressed(browser, f"#ranking-table th:nth-child({column}) button")
            clock.take(name)
        names = browser.execute_script("return [...document.querySelectorAll('.plot')].map(plot => plot.id)")
        for index, name in enumerate(names):
            clock.begin()
            browser.execute_async_script(SCROLL + PAINTED, index)
            until(lambda index=index: browser.execute_script(DRAWN, index))
            clock.take(f"plot {name}")
        return clock.seconds, counts
    finally:
        browser.quit()


def main() -> None:
    """Write the page, open it and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=3_000)
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_args()
    heading(machine())
    with tempfile.TemporaryDirectory() as folder:
        run = fake_runs.many(Path(folder), given.trials)
        began = time.monotonic()
        page = write_report(run)
        written = time.monotonic() - began
        found = [opened(page) for _ in range(given.times)]
        size = page.stat().st_size / 1e6
    rows = [("written", f"{written:.1f}"), ("size, MB", f"{size:.1f}")]
    for name in found[0][0]:
        values = [seconds[name] for seconds, _ in found]
        rows.append((name, ", ".join(f"{wall:.2f} ({cpu:.2f})" for wall, cpu in values)))
    rows += [(name, f"{np.median([counts[name] for _, counts in found]):,.0f}") for name in found[0][1]]
    show(f"{given.trials:,} trials; seconds of each time", ("", "value"), rows)


if __name__ == "__main__":
    main()
