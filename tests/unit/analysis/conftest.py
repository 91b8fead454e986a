"""What the tests of analysis share: a terminal of 120 columns, and logs that are not synced to the disk."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def quick_disk_and_known_width() -> Iterator[None]:
    """Let `os.fsync` do nothing, which takes most of the time of a test that writes a log, and set the width."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        patch.setenv("COLUMNS", "120")
        yield
