"""Where runs lie, on a disk or on object storage, and the storage that trials write to by themselves."""

import errno
import fcntl
import logging
import os
import re
import shutil
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from analysis.run.log import RunError
from trainables.report import Picture

# What follows the trial's name in the name of its picture.
PICTURES: dict[Picture, str] = {
    "samples": ".png",
    "degradation": "-strip.png",
    "rungs": "-rungs.png",
    "restorations": "-restored.png",
}
# NFS refuses a lock of a folder, which is open for reading only, with EBADF.
WITHOUT_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EBADF, errno.EINVAL)
# What S3 clients call errors that may pass, as pyarrow prints them; Google's client tries again by itself.
PASSING = re.compile(r"AWS Error (NETWORK_CONNECTION|SERVICE_UNAVAILABLE|INTERNAL_FAILURE|SLOW_DOWN|THROTTLING)")
SECONDS = 600.0  # for which an action is tried again
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 15.0  # seconds

Result = TypeVar("Result")


def is_remote(path: str | Path) -> bool:
    """Return whether this is a URI of object storage rather than a folder."""
    return "://" in str(path)


def join(uri: str, name: str) -> str:
    """Return the URI, or path, of a file below `uri`; a URI may have options such as `?endpoint_override=...`."""
    folder, mark, options = uri.partition("?") if is_remote(uri) else (uri, "", "")
    return f"{folder.rstrip('/')}/{name}{mark}{options}"


def parent(uri: str) -> str:
    """Return the URI of the folder that `uri` lies in."""
    folder, mark, options = uri.partition("?") if is_remote(uri) else (uri, "", "")
    return folder.rstrip("/").rpartition("/")[0] + mark + options


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file such that a reader, or a crash, finds the old one or the new one; no part is left on an error.

    Raises:
        OSError: it cannot be written; no part of the new file is left.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # else a machine that loses its power may have the name without the content
        part.replace(path)
    except OSError:
        with suppress(OSError):  # a full disk needs the space; there is no part if it could not be opened
            part.unlink()
        raise


def patiently(action: Callable[[], Result], what: str) -> Result:
    """Return what an action on object storage returns, and try it again for ten minutes while the storage is away.

    pyarrow itself tries three times in six seconds. The action may be carried out several times; `what` it does is for
    a warning, such as "write to s3://bucket/runs/a".

    Raises:
        OSError: the storage refuses it, or is away for longer.
    """
    began, pause = time.monotonic(), FIRST_PAUSE
    while True:
        try:
            return action()
        except OSError as error:
            if not PASSING.search(str(error)) or time.monotonic() - began > SECONDS:
                raise
        if pause == FIRST_PAUSE:
            logging.getLogger(__name__).warning(
                "cannot %s: the storage does not answer; trying again for %.0f minutes", what, SECONDS / 60
            )
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def flock(descriptor: int, operation: int) -> bool:
    """Lock an open file or folder until this process ends; return False where the file system has no locks.

    Lustre, CIFS or FUSE may have none. It raises BlockingIOError where another process holds the lock.
    """
    try:
        fcntl.flock(descriptor, operation)
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise
        return False
    return True


class Disk:
    """A run's folder on a disk, which needs no copy; its methods are those of `remote.Remote`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def uri(self) -> str:
        """The folder's absolute path."""
        return str(self.folder.resolve())

    def child(self, name: str) -> Self:
        """Return a folder below this one."""
        return type(self)(self.folder / name)

    def put(self, path: Path) -> None:
        """Do nothing: the file is in its place."""

    push = put_changed = bring = put

    def names(self, folder: str) -> list[str]:
        """Return the names of the files in a folder, empty where there is none."""
        return sorted(path.name for path in (self.folder / folder).glob("*") if path.is_file())

    def delete(self, name: str) -> None:
        """Delete a file, if there is one."""
        (self.folder / name).unlink(missing_ok=True)

    def clear(self, folder: str) -> None:
        """Delete a folder, if there is one."""
        shutil.rmtree(self.folder / folder, ignore_errors=True)


class NotShared(RunError):
    """A machine does not see a run's folder, and would lose what its trials write; the message is one line."""


class Folder:
    """The storage of a run's trials: a folder, at an absolute path or a URI such as s3://bucket/run.

    It implements `trainables.trial.Storage`; every process that runs trials opens its own.

    Attributes:
        filesystem, root: where it is, as pyarrow has it.
    """

    def __init__(self, uri: str) -> None:
        """Open the file system; raise OSError or pyarrow.ArrowInvalid where there is none at `uri`."""
        from pyarrow.fs import FileSystem, LocalFileSystem  # 0.3 s, which readers of a run do not need

        self._uri = uri
        self.filesystem, self.root = FileSystem.from_uri(uri)
        self._on_disk = isinstance(self.filesystem, LocalFileSystem)

    def require_here(self) -> None:
        """Raise NotShared if the folder is on a disk that this machine does not see."""
        if self._on_disk and not Path(self.root).is_dir():
            host = socket.gethostname()
            raise NotShared(f"{host} does not see {self.root}: mount it there as on the other machines")

    def write(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all: a reader never sees half of it."""
        path = f"{self.root}/{name}"
        if self._on_disk:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            replace_file(Path(path), data)
            return

        def send() -> None:
            with self.filesystem.open_output_stream(path) as stream:  # an object is there as a whole or not at all
                stream.write(data)

        patiently(send, f"write to {join(self._uri, name)}")

    def has(self, name: str) -> bool:
        """Return whether there is a file of this name."""
        return bool(self.filesystem.get_file_info(f"{self.root}/{name}").is_file)

    def delete(self, name: str) -> None:
        """Delete a file, if there is one."""
        with suppress(FileNotFoundError):
            patiently(lambda: self.filesystem.delete_file(f"{self.root}/{name}"), f"delete {join(self._uri, name)}")

    def load_checkpoint(self, trial: str) -> bytes | None:
        """Return the trial's checkpoint, or None where there is none."""
        name = f"checkpoints/{trial}.pt"

        def read() -> bytes | None:
            if not self.has(name):
                return None
            with self.filesystem.open_input_stream(f"{self.root}/{name}") as stream:
                return bytes(stream.read())

        return patiently(read, f"read {join(self._uri, name)}")

    def require_checkpoint(self, trial: str) -> bytes:
        """Return the trial's checkpoint; raise FileNotFoundError where there is none any more."""
        checkpoint = self.load_checkpoint(trial)
        if checkpoint is None:
            raise FileNotFoundError(f"{self._uri} keeps no checkpoint of {trial} any more")
        return checkpoint

    def save_checkpoint(self, trial: str, checkpoint: bytes) -> None:
        """Replace the trial's checkpoint."""
        self.write(f"checkpoints/{trial}.pt", checkpoint)

    def drop_checkpoint(self, trial: str) -> None:
        """Delete the trial's checkpoint, if there is one."""
        self.delete(f"checkpoints/{trial}.pt")

    def save_picture(self, trial: str, kind: Picture, png: bytes) -> None:
        """Replace the trial's picture of this kind."""
        self.write(f"samples/{trial}{PICTURES[kind]}", png)


def pretrained_by(trained: Sequence[str] | None) -> Callable[[], bytes] | None:
    """Return what loads the checkpoint that trials start from; None where they train their own weights.

    `trained` is the folder of a run and the name of its trial, as `--from` gives them.
    """
    if not trained:
        return None
    uri, trial = trained
    return partial(Folder(uri).require_checkpoint, trial)
