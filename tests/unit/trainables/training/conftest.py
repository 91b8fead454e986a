"""What tests of training share."""

from typing import Any

import pytest
from torch import Tensor

from trainables.diffusion.process import Diffusion


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
