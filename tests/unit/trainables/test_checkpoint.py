"""A checkpoint: data that cannot run code, and one line where it is damaged."""

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from trainables.checkpoint import CheckpointError, from_bytes, to_bytes

STATE = {"value": 2, "weights": torch.full((300,), 2.0), "report": None}


class Malicious:
    """What unpickles into a call."""

    def __init__(self, touched: Path) -> None:
        self.touched = touched

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.touched,)


def test_a_state_comes_back_from_its_bytes() -> None:
    loaded = from_bytes(to_bytes(STATE), "a")
    assert torch.equal(loaded.pop("weights"), torch.full((300,), 2.0))
    assert loaded == {"value": 2, "report": None}


@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_cannot_run_code(zipped: bool, tmp_path: Path) -> None:
    evil = Malicious(tmp_path / "touched")
    checkpoint = to_bytes({"value": evil}) if zipped else pickle.dumps(evil, protocol=2)
    with pytest.raises(CheckpointError, match=r"the checkpoint of a cannot be read \(Weights only"):
        from_bytes(checkpoint, "a")
    assert not evil.touched.exists()
    pickle.loads(pickle.dumps(evil))  # it is indeed one
    assert evil.touched.exists()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.999])
def test_a_checkpoint_that_is_not_whole_is_one_line(share: float) -> None:
    checkpoint = to_bytes(STATE)
    with pytest.raises(CheckpointError, match=r"^the checkpoint of 003-tiny cannot be read \([^\n]+\)$"):
        from_bytes(checkpoint[: int(share * len(checkpoint))], "003-tiny")
