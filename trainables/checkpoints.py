"""A run's folder as trials see it: pictures and checkpoints, on any file system that pyarrow.fs reaches."""

from __future__ import annotations

import contextlib
import io
import pickle
import socket
from pathlib import Path
from typing import Any

import torch

from trainables.data.images import DataError


class CheckpointError(DataError):
    """A checkpoint that cannot be read; one line."""


class NotShared(DataError):
    """A machine that does not see a run's folder, and would lose what its trials write; one line."""


class Folder:
    """The folder at an absolute path or a URI ("/runs/a", "s3://bucket/a"), shared by all trials of a run."""

    def __init__(self, uri: str) -> None:
        """Open the file system; raises OSError or pyarrow.ArrowInvalid when there is none at `uri`."""
        from pyarrow.fs import FileSystem, LocalFileSystem

        self._filesystem, self._root = FileSystem.from_uri(uri)
        self._on_disk = isinstance(self._filesystem, LocalFileSystem)

    def require_here(self) -> None:
        """Raise NotShared if the folder is on a disk, and not on this machine's."""
        if self._on_disk and not Path(self._root).is_dir():
            host = socket.gethostname()
            raise NotShared(f"{host} does not see {self._root}: mount it there as on the other machines")

    def write(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all: a reader never sees half of it."""
        path = f"{self._root}/{name}"
        part = path + ".part" if self._on_disk else path  # an object is there as a whole or not at all
        if self._on_disk:
            self._filesystem.create_dir(path.rpartition("/")[0], recursive=True)
        try:
            with self._filesystem.open_output_stream(part) as stream:
                stream.write(data)
        except OSError:
            if self._on_disk:  # on a full disk others can do with the room of the part
                with contextlib.suppress(OSError):  # there is none if it could not be opened
                    self._filesystem.delete_file(part)
            raise
        if self._on_disk:
            self._filesystem.move(part, path)

    def has(self, name: str) -> bool:
        """Return whether there is a file of this name."""
        return bool(self._filesystem.get_file_info(f"{self._root}/{name}").is_file)

    def delete(self, name: str) -> None:
        """Delete a file."""
        self._filesystem.delete_file(f"{self._root}/{name}")

    def save_checkpoint(self, trial: str, state: dict[str, Any]) -> None:
        """Replace the trial's checkpoint."""
        data = io.BytesIO()
        torch.save(state, data)
        self.write(f"checkpoints/{trial}.pt", data.getvalue())

    def load_checkpoint(self, trial: str) -> dict[str, Any] | None:
        """Return the trial's checkpoint with its tensors on the CPU, or None when there is none.

        Raises:
            CheckpointError: it is damaged, or no checkpoint.
        """
        name = f"checkpoints/{trial}.pt"
        if not self.has(name):
            return None
        with self._filesystem.open_input_stream(f"{self._root}/{name}") as stream:
            data = io.BytesIO(stream.read())
        try:
            # weights_only: a checkpoint is data, and must not be able to run code.
            return torch.load(data, map_location="cpu", weights_only=True)
        except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise CheckpointError(f"the checkpoint of {trial} cannot be read ({reason})") from None

    def drop_checkpoint(self, trial: str) -> None:
        """Delete the trial's checkpoint."""
        self.delete(f"checkpoints/{trial}.pt")
