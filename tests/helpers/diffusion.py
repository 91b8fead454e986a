"""What tests of the diffusion share: degradations by the names of their kinds, and the steps of a short schedule."""

from collections.abc import Callable

import torch
from torch import Tensor

from trainables.config import Variant
from trainables.diffusion.degradations import Degradation
from trainables.diffusion.schedules import Cosine, Step, step_at
from trainables.diffusion.source import Source

MakeSource = Callable[..., Source]
"""The fixture `make_source` of tests/unit/trainables."""

T = 28
ALPHA_BAR = Cosine(T=T).alpha_bar().float()


def at(t: int | Tensor, n: int) -> Step:
    """The step t of n images, or that of each image."""
    return step_at(ALPHA_BAR, torch.full((n,), t) if isinstance(t, int) else t)


def degradation_of(kind: str) -> Degradation:
    """The degradation of a kind, or of several joined by +, with its defaults."""
    return Variant.from_flat({"degradation/kind": kind, "training/target": "x0", "sampler/kind": "cold2"}).degradation
