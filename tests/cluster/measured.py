"""What the tests measure, as a small table."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Measured:
    """Rows of what happened, until what, and after how many seconds; each is printed at once."""

    rows: list[tuple[str, str, float]] = field(default_factory=list)

    def add(self, event: str, until: str, seconds: float) -> None:
        """Add a row."""
        self.rows.append((event, until, seconds))
        print(f"{event}: {until} after {seconds:.1f} s", flush=True)

    @contextmanager
    def seconds(self, event: str, until: str) -> Iterator[None]:
        """Add a row with the seconds that the block takes."""
        start = time.monotonic()
        yield
        self.add(event, until, time.monotonic() - start)

    def write(self, folder: Path) -> None:
        """Write the table to `folder` as cluster.md."""
        folder.mkdir(parents=True, exist_ok=True)
        lines = ["| what happens | until | seconds |", "| --- | --- | ---: |"]
        lines += [f"| {event} | {until} | {seconds:.0f} |" for event, until, seconds in self.rows]
        (folder / "cluster.md").write_text("\n".join(lines) + "\n")
