"""Where a test's trial keeps its files."""

from __future__ import annotations

from trainables.report import Picture


class Memory:
    """A storage in memory."""

    def __init__(self) -> None:
        self.checkpoints: dict[str, bytes] = {}
        self.pictures: dict[tuple[str, Picture], bytes] = {}

    def load_checkpoint(self, trial: str) -> bytes | None:
        return self.checkpoints.get(trial)

    def save_checkpoint(self, trial: str, checkpoint: bytes) -> None:
        self.checkpoints[trial] = checkpoint

    def save_picture(self, trial: str, kind: Picture, png: bytes) -> None:
        self.pictures[trial, kind] = png
