"""A real browser, headless Chromium, for the pages that the project makes or shows."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from tests.helpers.chromium import chromium


@pytest.fixture(scope="session")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the browser saves files."""
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="session")
def browser(downloads: Path) -> Iterator[Chrome]:
    """One browser for all tests, 1,200 pixels wide; its console is kept in the log "browser"."""
    browser = chromium({"download.default_directory": str(downloads)})
    if browser is None:
        pytest.skip("no chromium and chromedriver on the path (on Debian: chromium-driver)")
    yield browser
    browser.quit()
