"""Searches of a test, which leave no process behind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.searches import Searches


@pytest.fixture
def searches(tmp_path: Path) -> Iterator[Searches]:
    searches = Searches(tmp_path)
    yield searches
    searches.kill()
