"""The user's cache: files that another process finds whole or not at all."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

UNFINISHED = ".unfinished-"
ABANDONED = 24 * 3600  # seconds after which the file of a process that was killed is removed


def cache_dir() -> Path:
    """Return this project's folder in the XDG cache, or beside temporary files for a user without a home.

    The folder may not exist yet.
    """
    if folder := os.environ.get("XDG_CACHE_HOME"):
        return Path(folder) / "diffusion-search"
    try:
        return Path.home() / ".cache" / "diffusion-search"
    except RuntimeError:  # HOME is unset, and the user has no name, as in a container with `--user 1234`
        return Path(tempfile.gettempdir()) / f"diffusion-search-{os.getuid()}"


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


def _remove_abandoned(folder: Path) -> None:
    for path in folder.glob(f"{UNFINISHED}*"):
        try:
            if time.time() - path.stat().st_mtime > ABANDONED:
                path.unlink()
        except OSError:
            continue  # another process was faster
