"""What the unit tests share: what they write is not synced to the disk."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def quick_disk() -> Iterator[None]:
    """Let `os.fsync` do nothing, which takes most of the time of a test that writes a log."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield
