"""The user's cache: files that another process finds whole or not at all."""

import hashlib
import json
import os
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from trainables.domain import UsageError

UNFINISHED = ".unfinished-"
ABANDONED = 24 * 3600  # seconds after which the file of a process that was killed is removed


def cache_dir() -> Path:
    """Return this project's folder in the XDG cache, or beside temporary files for a user without a home of their own.

    The folder may not exist yet.
    """
    if folder := os.environ.get("XDG_CACHE_HOME"):
        return Path(folder) / "diffusion-search"
    with suppress(RuntimeError):  # HOME is unset, and the user has no name, as in a container with `--user 1234`
        own = Path.home() / ".cache" / "diffusion-search"
        if _can_be_written(own):
            return own
    return temporary_dir() / f"diffusion-search-{os.getuid()}"


def temporary_dir() -> Path:
    """Return the folder for temporary files.

    Raises:
        UsageError: there is none, as in a container that may write to one folder of its own alone.
    """
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        raise UsageError(
            "temporary files can be written neither to /tmp, /var/tmp nor here: give a folder of yours as TMPDIR"
        ) from None


def _can_be_written(folder: Path) -> bool:
    """Return whether this user can write to a folder, or make it; HOME may be / or that of another user."""
    there = next(path for path in (folder, *folder.parents) if os.path.exists(path))
    return os.access(there, os.W_OK | os.X_OK)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file of the cache and the folders to it; another process finds all of it, or none."""
    with whole(path) as file:
        file.write(content)


@contextmanager
def whole(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file that takes the name `path` once the block has ended well; on an error it is removed.

    Of several processes that write the same file, the last one wins.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path.parent)
    file = tempfile.NamedTemporaryFile(dir=path.parent, prefix=UNFINISHED, delete=False)  # noqa: SIM115  # it is renamed
    try:
        with file:
            yield file
        os.chmod(file.name, 0o644)
        os.replace(file.name, path)
    except BaseException:
        Path(file.name).unlink(missing_ok=True)
        raise


def cache_file(folder: str, key: Sequence[Any]) -> Path:
    """Return the .npz file in a folder of the cache that belongs to a key, a list that JSON can write."""
    return cache_dir() / folder / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]}.npz"


def cached(
    folder: str,
    key: Sequence[Any],
    names: Sequence[str],
    make: Callable[[], Mapping[str, Any]],
    log: Callable[[str], None] = lambda line: None,
) -> list[np.ndarray]:
    """Return the arrays `names` of the cache's file for a key, see `cache_file`, or else those that `make` returns.

    What is made is kept in the file; where that is not possible, `log` is told, and the next process makes it again.
    """
    path = cache_file(folder, key)
    unreadable = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)  # of a file that is absent or damaged
    with suppress(*unreadable), np.load(path, allow_pickle=False) as file:
        return [file[name] for name in names]
    made = make()
    try:
        write_arrays(path, **made)
    except OSError as error:
        log(f"the {folder} cannot be kept for the next time: {error}")
    return [np.asarray(made[name]) for name in names]


def write_arrays(path: Path, **arrays: Any) -> None:
    """Write an .npz file of the cache; raise OSError where that is not possible."""
    with whole(path) as file:
        np.savez(file, **arrays)


def _remove_abandoned(folder: Path) -> None:
    for path in folder.glob(f"{UNFINISHED}*"):
        try:
            if time.time() - path.stat().st_mtime > ABANDONED:
                path.unlink()
        except OSError:
            continue  # another process was faster
