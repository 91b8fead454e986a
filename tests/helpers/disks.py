"""Small disks of real file systems, for those who may mount one."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cluster.commands import wait_for

SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


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


class Image:
    """A file system in a file, mounted; `path` is its folder."""

    kind: str
    maker: tuple[str, ...]

    def __init__(self, path: Path) -> None:
        path.mkdir()
        self.path, self._file = path, path.with_suffix(".image")
        with self._file.open("wb") as file:
            file.truncate(256 * 2**20)
        if shutil.which(self.maker[0], path=SYSTEM_PATH) is None:
            pytest.skip(f"{self.maker[0]} is missing")
        subprocess.run([*self.maker, str(self._file)], check=True, capture_output=True)
        self.mount()

    def mount(self) -> None:
        """Mount it by the kernel."""
        mounted = ["mount", "-t", self.kind, "-o", "loop", str(self._file), str(self.path)]
        done = subprocess.run(mounted, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"cannot mount {self.kind}: {done.stderr.strip()}")

    def remove(self) -> None:
        """Take it away with all that is on it."""
        subprocess.run(["umount", "--lazy", str(self.path)], check=True)


class Ext4(Image):
    """Ext4, of which writing can be blocked."""

    kind, maker = "ext4", ("mkfs.ext4", "-q")

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """Let all that writes wait, as at a network disk that does not answer; what is in memory can be read."""
        subprocess.run(["fsfreeze", "--freeze", str(self.path)], check=True)
        try:
            yield
        finally:
            subprocess.run(["fsfreeze", "--unfreeze", str(self.path)], check=True)


class ExFat(Image):
    """ExFAT of a program, as on a stick: without links, owners, rights or locks; every access can be blocked."""

    kind, maker = "exfat", ("mkfs.exfat",)
    server = "mount.exfat-fuse"

    def mount(self) -> None:
        """Mount it by the program, in the foreground."""
        if shutil.which(self.server, path=SYSTEM_PATH) is None:
            pytest.skip(f"{self.server} is missing (on Debian: apt-get install exfat-fuse exfatprogs)")
        losetup = ["losetup", "--find", "--show", str(self._file)]
        done = subprocess.run(losetup, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"cannot make a block device of a file: {done.stderr.strip()}")
        self._device = done.stdout.strip()
        command = [self.server, "-d", self._device, str(self.path)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.path.is_mount, "the file system", 20)

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """Let every access wait, as at an NFS server that does not answer a hard mount."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def remove(self) -> None:
        """Take it away with all that is on it."""
        super().remove()
        self._process.wait()
        subprocess.run(["losetup", "--detach", self._device], check=True)
