"""A checkpoint: data that cannot run code, and one line where it is damaged, wherever and however."""

import io
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from trainables.checkpoint import CheckpointError, from_bytes, to_bytes

NAMES = [f"blocks.{number}.weight" for number in range(12)]
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


def of_earlier_version(state: dict[str, Any]) -> bytes:
    """What was written before checkpoints had a checksum of their own."""
    data = io.BytesIO()
    torch.save(state, data)
    return data.getvalue()


def test_one_of_an_earlier_version_is_read_and_one_of_today_is_a_file_for_torch_load() -> None:
    assert torch.equal(from_bytes(of_earlier_version(STATE), "a")["weights"], torch.full((300,), 2.0))
    assert torch.load(io.BytesIO(to_bytes(STATE)))["value"] == 2


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Zero a block, as a disk does, or flip a few bits."""
    data = bytearray(content)
    if rng.random() < 0.5:
        begin, length = rng.randrange(len(data)), rng.choice((1, 64, 512, 4096))
        data[begin : begin + length] = bytes(len(data[begin : begin + length]))
    else:
        for _ in range(rng.choice((1, 8))):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


@pytest.mark.parametrize("save", [to_bytes, of_earlier_version])
def test_none_of_600_mutations_is_read_with_other_values(save: Callable[[dict[str, Any]], bytes]) -> None:
    tensors = {name: torch.randn(32, 32, generator=torch.Generator().manual_seed(0)) for name in NAMES}
    checkpoint, rng = save({"weights": tensors, "value": 2}), random.Random(0)
    refused = 0
    for _ in range(600):
        damaged = mutated(checkpoint, rng)
        try:
            state = from_bytes(damaged, "a")
        except CheckpointError:
            refused += 1
            continue
        assert state["value"] == 2
        assert all(torch.equal(state["weights"][name], tensors[name]) for name in NAMES)
    assert refused > 500  # the others hit bytes that were zero, or that say nothing


@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_cannot_run_code(zipped: bool, tmp_path: Path) -> None:
    evil = Malicious(tmp_path / "touched")
    checkpoint = to_bytes({"value": evil}) if zipped else pickle.dumps(evil, protocol=2)
    with pytest.raises(CheckpointError, match=r"^the checkpoint of a (cannot be read|is damaged)") as error:
        from_bytes(checkpoint, "a")
    assert "weights_only" not in str(error.value)  # torch's advice to load it all the same
    assert not evil.touched.exists()
    pickle.loads(pickle.dumps(evil))  # it is indeed one
    assert evil.touched.exists()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.999])
def test_a_checkpoint_that_is_not_whole_is_one_line(share: float) -> None:
    checkpoint = to_bytes(STATE)
    with pytest.raises(CheckpointError, match=r"^the checkpoint of 003-tiny is damaged: its content [^\n]+$"):
        from_bytes(checkpoint[: int(share * len(checkpoint))], "003-tiny")


@pytest.mark.parametrize("state", [[1], None, 5])
def test_bytes_that_hold_no_state_are_one_line(state: Any) -> None:
    with pytest.raises(CheckpointError, match="it holds no state of a trial"):
        from_bytes(to_bytes(state), "a")
