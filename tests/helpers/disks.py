"""Small disks of real file systems, for those who may mount one."""

import os
import subprocess
from pathlib import Path

import pytest


class Disk:
    """A file system in memory; `path` is its folder."""

    def __init__(self, path: Path, size: str) -> None:
        path.mkdir()
        self.path, self._filler = path, path / "filler"
        self._mount("-t", "tmpfs", "-o", f"size={size}", "none")

    def fill(self, but: int = 0) -> None:
        """Leave so many bytes."""
        room = os.statvfs(self.path)
        with self._filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - but)

    def free(self) -> None:
        """Make the room again that was filled."""
        self._filler.unlink()

    def grow(self, size: str) -> None:
        """Change its size."""
        self._mount("-o", f"remount,size={size}")

    def seal(self) -> None:
        """Let nobody write any more."""
        self._mount("-o", "remount,ro")

    def remove(self) -> None:
        """Take it away with all that is on it."""
        subprocess.run(["umount", "--lazy", str(self.path)], check=True)

    def _mount(self, *options: str) -> None:
        done = subprocess.run(["mount", *options, str(self.path)], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"cannot mount a small disk: {done.stderr.strip()}")
