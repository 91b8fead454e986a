"""The notice that a machine is about to be taken back: a file that search/execution/preemption.py makes."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

NOTICED = "its machine is about to be taken back"
NOTICE = Path(tempfile.gettempdir()) / "diffusion-search-preempted"


class Preempted(RuntimeError):
    """A trial that leaves its machine, with its checkpoint saved; it is no fault of the trial's."""


def noticed() -> bool:
    """Return whether this machine is about to be taken back; it takes a microsecond, and is asked at every step."""
    try:
        return NOTICE.stat().st_uid == os.getuid()  # everyone can write there
    except FileNotFoundError:
        return False
