"""What tests of networks share: their size, and what they are asked."""

import torch
from torch import Tensor, nn


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def inputs(n: int = 3, channels: int = 1, size: int = 28) -> tuple[Tensor, Tensor]:
    """Seeded x_t, normal (n, channels, size, size), and t / T, uniform (n,)."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n, channels, size, size, generator=generator), torch.rand(n, generator=generator)
