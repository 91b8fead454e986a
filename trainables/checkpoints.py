"""A run's folder as trials see it: pictures and checkpoints, on any file system that pyarrow.fs reaches."""

from __future__ import annotations

import io
from typing import Any

import torch


class Folder:
    """The folder at an absolute path or a URI ("/runs/a", "s3://bucket/a"), shared by all trials of a run."""

    def __init__(self, uri: str) -> None:
        """Open the file system; raises OSError or pyarrow.ArrowInvalid when there is none at `uri`."""
        from pyarrow.fs import FileSystem

        self._filesystem, self._root = FileSystem.from_uri(uri)

    def write(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all: a reader never sees half of it."""
        path = f"{self._root}/{name}"
        self._filesystem.create_dir(path.rpartition("/")[0], recursive=True)
        with self._filesystem.open_output_stream(path + ".part") as stream:
            stream.write(data)
        self._filesystem.move(path + ".part", path)

    def save_checkpoint(self, trial: str, state: dict[str, Any]) -> None:
        """Replace the trial's checkpoint."""
        data = io.BytesIO()
        torch.save(state, data)
        self.write(f"checkpoints/{trial}.pt", data.getvalue())

    def load_checkpoint(self, trial: str) -> dict[str, Any] | None:
        """Return the trial's checkpoint with its tensors on the CPU, or None when there is none."""
        from pyarrow.fs import FileType

        path = f"{self._root}/checkpoints/{trial}.pt"
        if self._filesystem.get_file_info(path).type is not FileType.File:
            return None
        with self._filesystem.open_input_stream(path) as stream:
            # weights_only: a checkpoint is data, and must not be able to run code.
            return torch.load(io.BytesIO(stream.read()), map_location="cpu", weights_only=True)
