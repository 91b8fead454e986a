"""A run on object storage, s3:// or gs://, and the copy of it on this machine that is worked on; a part of results.py.

Objects are only ever replaced as a whole. So what is appended to, a line at a time, lies there as segments of one size,
`log.jsonl.segment-000000` and on, of which an append replaces the last; joined they are the file. A write is there when
the call that made it returns, and the copy can be thrown away at any time: it is made anew where the run is opened.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from analysis.run.log import RunError

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo

# Large enough that a long search has few, small enough to be sent with every line: 256 KiB take S3 some 30 ms.
SEGMENT = 256 * 2**10
_SEGMENTS = re.compile(r"(.+)\.segment-(\d{6})")
# Folders that trials and Ray Tune write to by themselves; a reader has no use for a copy.
NOT_COPIED = ("checkpoints", "ray")
CONNECTIONS = 8


def is_remote(path: str | Path) -> bool:
    """Return whether this is a URI of object storage rather than a folder."""
    return "://" in str(path)


def join(uri: str, name: str) -> str:
    """Return the URI, or path, of a file below `uri`, which may have options such as `?endpoint_override=...`."""
    folder, mark, options = uri.partition("?")
    return f"{folder.rstrip('/')}/{name}{mark}{options}"


def parent(uri: str) -> str:
    """Return the URI of the folder that `uri` lies in."""
    folder, mark, options = uri.partition("?")
    return folder.rstrip("/").rpartition("/")[0] + mark + options


def names(root: str) -> list[str]:
    """Return the names of the folders in `root`, a folder or a URI; none where it is not there.

    Raises:
        RunError: as `Remote` does.
    """
    if is_remote(root):
        return Remote(root, Path()).folders()
    return sorted(path.name for path in Path(root).glob("*/"))


def exists(folder: str) -> bool:
    """Return whether there is such a folder, or anything at such a URI."""
    if is_remote(folder):
        remote = Remote(folder, Path())
        return bool(remote.names("") or remote.folders())
    return Path(folder).is_dir()


def copy_of(uri: str) -> Path:
    """Return where this machine's copy of a run lies, by the XDG rule; it may not exist yet."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    there = urlsplit(uri)
    return cache / "diffusion-search" / "runs" / there.scheme / there.netloc / there.path.strip("/")


class Disk:
    """A run's folder on a disk: what is written to it is where it belongs. See `Remote` for what its methods mean."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def uri(self) -> str:
        """The folder's absolute path."""
        return str(self.folder.resolve())

    def child(self, name: str) -> Disk:
        """Return a folder below this one."""
        return Disk(self.folder / name)

    def put(self, path: Path) -> None:
        """Nothing is to be sent."""

    def push(self, path: Path) -> None:
        """Nothing is to be sent."""

    def put_changed(self, folder: Path) -> None:
        """Nothing is to be sent."""

    def bring(self, path: Path) -> None:
        """Nothing is to be fetched."""

    def names(self, folder: str) -> list[str]:
        """Return the names of the files in a folder, empty where there is none."""
        return sorted(path.name for path in (self.folder / folder).glob("*") if path.is_file())

    def delete(self, name: str) -> None:
        """Delete a file, if there is one."""
        (self.folder / name).unlink(missing_ok=True)

    def clear(self, folder: str) -> None:
        """Delete a folder, if there is one."""
        shutil.rmtree(self.folder / folder, ignore_errors=True)


class Remote:
    """A run's folder on object storage, and which of its files the copy at `folder` has as they are there."""

    def __init__(self, uri: str, folder: Path) -> None:
        """Read nothing yet.

        Raises:
            RunError: no file system answers to the URI, or it holds a password.
        """
        from pyarrow import ArrowInvalid
        from pyarrow.fs import FileSystem

        if "@" in urlsplit(uri).netloc.replace("anonymous@", ""):
            raise RunError(f"{urlsplit(uri).scheme}://...@...: leave the keys out, the run's files would show them")
        try:
            self._filesystem, self._root = FileSystem.from_uri(uri)
        except (ArrowInvalid, OSError) as error:
            raise RunError(f"{uri}: {_reason(error)}; give a folder, s3://BUCKET/... or gs://BUCKET/...") from None
        self.uri, self.folder = uri, folder
        self._sent: dict[Path, int] = defaultdict(int)  # bytes, for what is appended to; else the time of the change

    def child(self, name: str) -> Remote:
        """Return a folder below this one."""
        below = Remote(join(self.uri, name), self.folder / name)
        below._sent = self._sent
        return below

    def has(self, name: str) -> bool:
        """Return whether there is a file of this name."""
        with self._told(f"cannot read {self.uri}"):
            return bool(self._filesystem.get_file_info(f"{self._root}/{name}").is_file)

    def put(self, path: Path) -> None:
        """Send a file of the copy."""
        self._write(self._name(path), path.read_bytes())

    def push(self, path: Path) -> None:
        """Send what was appended to a file of the copy, if it is there, since it was last sent or pulled."""
        size, sent = path.stat().st_size if path.is_file() else 0, self._sent[path]
        if size == sent:
            return
        with path.open("rb") as file:
            for number in range(sent // SEGMENT, (size - 1) // SEGMENT + 1):
                file.seek(number * SEGMENT)
                self._write(_segment(self._name(path), number), file.read(SEGMENT))
        self._sent[path] = size

    def put_changed(self, folder: Path) -> None:
        """Send the files below a folder of the copy that have changed since they were last sent by this."""
        files = [path for path in folder.rglob("*") if path.is_file()]
        changed = {path: path.stat().st_mtime_ns for path in files if path.stat().st_mtime_ns != self._sent[path]}
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(self.put, changed))
        self._sent |= changed

    def names(self, folder: str) -> list[str]:
        """Return the names of the files in a folder, empty where there is none."""
        return sorted(info.base_name for info in self._listed(folder) if info.is_file)

    def folders(self) -> list[str]:
        """Return the names of the folders that are there."""
        return sorted(info.base_name for info in self._listed("") if not info.is_file)

    def delete(self, name: str) -> None:
        """Delete a file, if there is one."""
        with self._told(f"cannot delete {join(self.uri, name)}"), suppress(FileNotFoundError):
            self._filesystem.delete_file(f"{self._root}/{name}")

    def clear(self, folder: str) -> None:
        """Delete a folder, if there is one."""
        with self._told(f"cannot delete {join(self.uri, folder)}"):
            self._filesystem.delete_dir_contents(f"{self._root}/{folder}", missing_dir_ok=True)

    def bring(self, path: Path) -> None:
        """Fetch a file of the copy as it is now, if there is one."""
        with self._told(f"cannot read {self.uri}"):
            info = self._filesystem.get_file_info(f"{self._root}/{self._name(path)}")
        if info.is_file:
            self._fetch(path, [info])

    def pull(self) -> None:
        """Bring the copy to the state that is there, but for `NOT_COPIED`; what has not changed is not fetched.

        What the copy has beside that is removed: of another run of this name, or never sent.
        """
        files: dict[Path, list[FileInfo]] = defaultdict(list)
        for info in self._listed("", recursive=True):
            name = info.path.removeprefix(f"{self._root}/")
            if info.is_file and not set(NOT_COPIED) & set(name.split("/")[:-1]):
                segments = _SEGMENTS.fullmatch(name)
                files[self.folder / (segments[1] if segments else name)].append(info)
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(self._fetch, files, files.values()))
        for path in sorted(self.folder.rglob("*"), reverse=True):  # what lies in a folder comes before it
            if path.is_dir():
                with suppress(OSError):  # there is something in it
                    path.rmdir()
            elif path not in files and path.suffix != ".part":  # which another reader is at
                path.unlink(missing_ok=True)

    def _fetch(self, path: Path, parts: list[FileInfo]) -> None:
        """Fetch a file, which has one part unless it is kept in segments, if it differs from what the copy has."""
        parts = sorted(parts, key=lambda info: info.path)
        appended = _SEGMENTS.fullmatch(parts[0].path) is not None
        changed = max(info.mtime_ns for info in parts)
        if path.is_file() and path.stat().st_mtime_ns == changed and not appended:
            return
        with self._told(f"cannot read {self.uri}"):
            data = b"".join(self._read(info) for info in parts)
        if appended:
            # What a killed process left of a line, in one segment or several, is of no use.
            data = data[: data.rfind(b"\n") + 1]
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        part.write_bytes(data)
        # S3 tells times by the second: what is younger may change once more within it, and is fetched again.
        if time.time_ns() - changed > 2 * 10**9:
            os.utime(part, ns=(changed, changed))
        part.replace(path)
        self._sent[path] = len(data) if appended else path.stat().st_mtime_ns

    def _read(self, info: FileInfo) -> bytes:
        with self._filesystem.open_input_stream(info.path) as stream:
            return bytes(stream.read())

    def _listed(self, folder: str, recursive: bool = False) -> list[FileInfo]:
        from pyarrow.fs import FileSelector

        where = f"{self._root}/{folder}".rstrip("/")
        with self._told(f"cannot read {self.uri}"):
            found: list[FileInfo] = self._filesystem.get_file_info(
                FileSelector(where, allow_not_found=True, recursive=recursive)
            )
        return found

    def _write(self, name: str, data: bytes) -> None:
        with self._told(f"cannot write to {join(self.uri, name)}"):
            stream: Any = self._filesystem.open_output_stream(f"{self._root}/{name}")
            with stream:
                stream.write(data)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    @contextmanager
    def _told(self, failed: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RunError(f"{failed}: {_reason(error)}") from None


def _segment(name: str, number: int) -> str:
    return f"{name}.segment-{number:06d}"


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".")


class NotShared(RunError):
    """A machine does not see a run's folder, and would lose what its trials write; the message is one line."""


class Folder:
    """The storage of a run's trials: a folder, at an absolute path or a URI such as s3://bucket/run.

    It implements `trainables.trial.Storage`; every process that runs trials opens its own.
    """

    def __init__(self, uri: str) -> None:
        """Open the file system.

        Raises:
            OSError, pyarrow.ArrowInvalid: there is none at `uri`.
        """
        from pyarrow.fs import FileSystem, LocalFileSystem

        self._uri = uri
        self._filesystem, self._root = FileSystem.from_uri(uri)
        self._on_disk = isinstance(self._filesystem, LocalFileSystem)

    def require_here(self) -> None:
        """Raise NotShared if the folder is on a disk that this machine does not see."""
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
            if self._on_disk:  # a full disk needs the space of the unfinished file
                with suppress(OSError):  # there is none if it could not be opened
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

    def load_checkpoint(self, trial: str) -> bytes | None:
        """Return the trial's checkpoint, or None where there is none."""
        name = f"checkpoints/{trial}.pt"
        if not self.has(name):
            return None
        with self._filesystem.open_input_stream(f"{self._root}/{name}") as stream:
            return bytes(stream.read())

    def require_checkpoint(self, trial: str) -> bytes:
        """Return the trial's checkpoint.

        Raises:
            FileNotFoundError: there is none any more.
        """
        checkpoint = self.load_checkpoint(trial)
        if checkpoint is None:
            raise FileNotFoundError(f"{self._uri} keeps no checkpoint of {trial} any more")
        return checkpoint

    def save_checkpoint(self, trial: str, checkpoint: bytes) -> None:
        """Replace the trial's checkpoint."""
        self.write(f"checkpoints/{trial}.pt", checkpoint)

    def drop_checkpoint(self, trial: str) -> None:
        """Delete the trial's checkpoint, if there is one."""
        with suppress(FileNotFoundError):
            self.delete(f"checkpoints/{trial}.pt")

    def save_picture(self, trial: str, kind: Literal["samples", "degradation"], png: bytes) -> None:
        """Replace the trial's picture of this kind."""
        self.write({"samples": f"samples/{trial}.png", "degradation": f"samples/{trial}-strip.png"}[kind], png)
