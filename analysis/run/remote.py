"""A run on object storage, s3:// or gs://, and the copy of it on this machine.

Objects can only be replaced as a whole. So a file that grows line by line lies there as segments of one size,
`log.jsonl.segment-000000` and on, and an append replaces the last segment. Joined, the segments are the file. A
write is there when the call that made it returns. The copy can be deleted at any time: opening the run makes it anew.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from pyarrow import ArrowInvalid
from pyarrow.fs import FileInfo, FileSelector

from analysis.run.log import RunError
from analysis.run.storage import Folder, flock, is_remote, join
from trainables.data.cache import cache_dir

# Bytes. A long search has few segments of this size, and S3 takes one in about 30 ms, which each line of the log costs.
SEGMENT = 256 * 2**10
_SEGMENTS = re.compile(r"(.+)\.segment-(\d{6})")
# Folders that trials and Ray Tune write to; readers do not need them.
NOT_COPIED = ("checkpoints", "features", "ray")
CONNECTIONS = 8
LOCK = "search.lock"  # in the folder of a run that is searched, where the file system has no other locks


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
    """Return the folder of this machine's copy of a run, in the cache; it may not exist yet."""
    there = urlsplit(uri)
    return cache_dir() / "runs" / there.scheme / there.netloc / there.path.strip("/")


class Remote:
    """A run's folder on object storage, and its copy at `folder`."""

    def __init__(self, uri: str, folder: Path) -> None:
        """Open the file system; nothing is read.

        Raises:
            RunError: there is no file system for the URI, or the URI holds a password.
        """
        if "@" in urlsplit(uri).netloc.replace("anonymous@", ""):
            raise RunError(f"{urlsplit(uri).scheme}://...@...: leave the keys out, the run's files would show them")
        try:
            self._files = Folder(uri)
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
            return self._files.has(name)

    def put(self, path: Path) -> None:
        """Send a file of the copy."""
        self._write(self._name(path), path.read_bytes())

    def push(self, path: Path) -> None:
        """Send what was appended to a file of the copy since it was last sent or pulled, if the file exists."""
        size, sent = path.stat().st_size if path.is_file() else 0, self._sent[path]
        if size == sent:
            return
        with path.open("rb") as file:
            for number in range(sent // SEGMENT, (size - 1) // SEGMENT + 1):
                file.seek(number * SEGMENT)
                self._write(f"{self._name(path)}.segment-{number:06d}", file.read(SEGMENT))
        self._sent[path] = size

    def put_changed(self, folder: Path) -> None:
        """Send the files below a folder of the copy that changed since this object last sent them."""
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
        with self._told(f"cannot delete {join(self.uri, name)}"):
            self._files.delete(name)

    def clear(self, folder: str) -> None:
        """Delete a folder, if there is one."""
        with self._told(f"cannot delete {join(self.uri, folder)}"):
            self._files.filesystem.delete_dir_contents(f"{self._files.root}/{folder}", missing_dir_ok=True)

    def bring(self, path: Path) -> None:
        """Fetch a file into the copy, if there is one."""
        with self._told(f"cannot read {self.uri}"):
            info = self._files.filesystem.get_file_info(f"{self._files.root}/{self._name(path)}")
        if info.is_file:
            self._fetch(path, [info])

    def pull(self) -> None:
        """Fetch what changed into the copy, except `NOT_COPIED`.

        Other files of the copy are deleted: they belong to another run of this name, or were never sent.
        """
        files: dict[Path, list[FileInfo]] = defaultdict(list)
        for info in self._listed("", recursive=True):
            name = info.path.removeprefix(f"{self._files.root}/")
            if info.is_file and not set(NOT_COPIED) & set(name.split("/")[:-1]):
                segments = _SEGMENTS.fullmatch(name)
                files[self.folder / (segments[1] if segments else name)].append(info)
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(self._fetch, files, files.values()))
        for path in sorted(self.folder.rglob("*"), reverse=True):  # the files of a folder before the folder
            if path.is_dir():
                with suppress(OSError):  # the folder is not empty
                    path.rmdir()
            elif path not in files and path.suffix != ".part":  # another reader is writing it
                path.unlink(missing_ok=True)

    def _fetch(self, path: Path, parts: list[FileInfo]) -> None:
        """Fetch a file if it differs from the copy's; `parts` are its segments, or the one object."""
        parts = sorted(parts, key=lambda info: info.path)
        appended = _SEGMENTS.fullmatch(parts[0].path) is not None
        changed = max(info.mtime_ns for info in parts)
        if path.is_file() and path.stat().st_mtime_ns == changed and not appended:
            return
        with self._told(f"cannot read {self.uri}"):
            data = b"".join(self._read(info) for info in parts)
        if appended:
            # A killed process may have sent a part of its last line.
            data = data[: data.rfind(b"\n") + 1]
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        part.write_bytes(data)
        # S3 has times in whole seconds: a younger object may change again within its second, so it is fetched again.
        if time.time_ns() - changed > 2 * 10**9:
            os.utime(part, ns=(changed, changed))
        part.replace(path)
        self._sent[path] = len(data) if appended else path.stat().st_mtime_ns

    def _read(self, info: FileInfo) -> bytes:
        with self._files.filesystem.open_input_stream(info.path) as stream:
            return bytes(stream.read())

    def _listed(self, folder: str, recursive: bool = False) -> list[FileInfo]:
        where = f"{self._files.root}/{folder}".rstrip("/")
        with self._told(f"cannot read {self.uri}"):
            selected = FileSelector(where, allow_not_found=True, recursive=recursive)
            return list(self._files.filesystem.get_file_info(selected))

    def _write(self, name: str, data: bytes) -> None:
        with self._told(f"cannot write to {join(self.uri, name)}", "; see to it, then --resume the run"):
            self._files.write(name, data)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    @contextmanager
    def _told(self, failed: str, advice: str = "") -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RunError(f"{failed}: {_reason(error)}{advice}") from None


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".")


def pull_unless_busy(remote: Remote) -> None:
    """Bring a copy to the state that is there, unless a search on this machine is at work in it: that is ahead.

    Those who read it at the same time do so one after another, as all write to the same files.
    """
    remote.folder.mkdir(parents=True, exist_ok=True)
    folder = os.open(remote.folder, os.O_RDONLY)
    turn = os.open(remote.folder.with_name(f".{remote.folder.name}.lock"), os.O_RDWR | os.O_CREAT)
    try:
        if flock(folder, fcntl.LOCK_SH | fcntl.LOCK_NB) or not (remote.folder / LOCK).exists():
            flock(turn, fcntl.LOCK_EX)
            remote.pull()
    except BlockingIOError:
        return
    finally:
        os.close(turn)
        os.close(folder)
