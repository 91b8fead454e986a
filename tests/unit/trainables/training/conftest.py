"""What tests of training share."""

import io
from typing import Any

import pytest
import torch
from torch import Tensor

from trainables.diffusion.process import Diffusion


def through_disk(state: dict[str, Any]) -> dict[str, Any]:
    """A state as it comes back from a checkpoint."""
    data = io.BytesIO()
    torch.save(state, data)
    data.seek(0)
    return torch.load(data, map_location="cpu", weights_only=True)


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Every batch of clean images that a diffusion is trained on from now on, uint8."""
    seen: list[Tensor] = []
    loss = Diffusion.loss

    def spy(self: Diffusion, x0: Tensor, *rest: Any) -> Tensor:
        seen.append(self.pixels.to_uint8(x0))
        return loss(self, x0, *rest)

    monkeypatch.setattr(Diffusion, "loss", spy)
    return seen
