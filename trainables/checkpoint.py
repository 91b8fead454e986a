"""A checkpoint's bytes: the state of a trial as torch.save writes it, and then a checksum of that.

torch.load does not check that it reads what was written: a flipped bit, or a zeroed block, becomes other weights.
"""

import hashlib
import io
import zipfile
from typing import Any

import torch

from trainables.domain import UsageError

# What follows the bytes of torch.save, which torch.load ignores: a mark, and SHA-256 of the bytes before the mark.
MARK = b"\nsha256:"
FOOTER = len(MARK) + hashlib.sha256().digest_size
# A checkpoint of an earlier version has no checksum. It is a zip archive, whose last END_BYTES begin with END.
END, END_BYTES = b"PK\5\6", 22


class CheckpointError(UsageError):
    """A checkpoint that cannot be read; the message is one line."""


def to_bytes(state: dict[str, Any]) -> bytes:
    """Return the checkpoint of a state: nested dicts of tensors, numbers, strings and None."""
    data = io.BytesIO()
    torch.save(state, data)
    content = data.getvalue()
    return content + MARK + hashlib.sha256(content).digest()


def from_bytes(checkpoint: bytes, trial: str) -> dict[str, Any]:
    """Return the state of a checkpoint, its tensors on the CPU; a CheckpointError names the `trial`.

    Raises:
        CheckpointError: the checkpoint is damaged, or these bytes are none.
    """
    content = _verified(checkpoint)
    if content is None:
        raise CheckpointError(f"the checkpoint of {trial} is damaged: its content is not what was written")
    try:
        # weights_only: a checkpoint is data, and must not be able to run code.
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # foreign bytes lead to errors of any type, some of which advise to load them unsafely
        raise CheckpointError(f"the checkpoint of {trial} cannot be read ({type(error).__name__})") from None
    if not isinstance(state, dict):
        raise CheckpointError(f"the checkpoint of {trial} cannot be read (it holds no state of a trial)")
    return state


def _verified(checkpoint: bytes) -> bytes | None:
    """Return what torch.save wrote, None where that is damaged.

    A checkpoint of an earlier version has no checksum of its own; the archive that it is has one of each of its files.
    """
    content, footer = checkpoint[:-FOOTER], checkpoint[-FOOTER:]
    if footer.startswith(MARK):
        return content if hashlib.sha256(content).digest() == footer.removeprefix(MARK) else None
    if not checkpoint[-END_BYTES:].startswith(END):
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(checkpoint)) as archive:
            return checkpoint if archive.testzip() is None else None
    except Exception:  # damaged bytes lead to errors of any type in zipfile
        return None
