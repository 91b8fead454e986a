"""A headless Chromium, for tests and benchmarks of pages."""

import shutil
from collections.abc import Mapping

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

WINDOW = "1200,900"


def chromium(preferences: Mapping[str, str], waits: bool = True) -> webdriver.Chrome | None:
    """Return a browser whose console is kept in the log "browser"; None where there is none on the path.

    With `waits` its `get` returns once a page has loaded, and otherwise at once.
    """
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        return None
    options = webdriver.ChromeOptions()
    options.binary_location = program
    options.page_load_strategy = "normal" if waits else "none"
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", f"--window-size={WINDOW}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.add_experimental_option("prefs", dict(preferences))
    return webdriver.Chrome(options, Service(driver))
