"""A checkpoint's bytes: the state of a trial as torch.save writes it."""

import io
import pickle
from typing import Any

import torch

from trainables.data.images import DataError


class CheckpointError(DataError):
    """A checkpoint that cannot be read; the message is one line."""


def to_bytes(state: dict[str, Any]) -> bytes:
    """Return the checkpoint of a state: nested dicts of tensors, numbers, strings and None."""
    data = io.BytesIO()
    torch.save(state, data)
    return data.getvalue()


def from_bytes(checkpoint: bytes, trial: str) -> dict[str, Any]:
    """Return the state of a checkpoint, its tensors on the CPU; `trial` is named in the error.

    Raises:
        CheckpointError: the checkpoint is damaged, or these bytes are none.
    """
    try:
        # weights_only: a checkpoint is data, and must not be able to run code.
        return torch.load(io.BytesIO(checkpoint), map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"the checkpoint of {trial} cannot be read ({reason})") from None
