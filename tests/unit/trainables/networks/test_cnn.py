"""The starter CNN: parameters and values by its description, in a second implementation of it."""

import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from tests.helpers.networks import inputs, parameters
from trainables.networks import ACTIVATIONS, CNN


def starter_count(widths: list[int], channels: int = 1, size: int = 28, kernel: int = 7) -> int:
    """Parameters of the starter CNN, counted from its description."""
    blocks = sum(
        (before * kernel**2 + 1) * after + 2 * after * size**2
        for before, after in zip([channels, *widths[:-1]], widths, strict=True)
    )
    time = sum((before + 1) * after for before, after in [(32, 128), (128, 128), (128, 128), (128, widths[0])])
    return blocks + time + (widths[-1] * 9 + 1) * channels


@pytest.mark.parametrize("widths", [[16, 32, 32, 16], [16, 32, 64, 32, 16], [32, 64, 128, 64, 32], [64, 96, 96, 64]])
def test_the_starter_has_as_many_parameters_as_described(widths: list[int]) -> None:
    network = CNN(widths="-".join(map(str, widths)), patch=1).build(1, 28)
    assert parameters(network) == starter_count(widths)


def test_the_starter_of_the_literature_has_291217_parameters() -> None:
    assert starter_count([16, 32, 32, 16]) == 291_217


class Starter(nn.Module):
    """The starter CNN as the reports describe it, in plain NCHW with LayerNorm over (C, H, W)."""

    def __init__(self, widths: list[int], size: int, activation: nn.Module) -> None:
        super().__init__()
        self.activation = activation
        sizes = [1, *widths]
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, 7, padding=3) for a, b in itertools.pairwise(sizes))
        self.norms = nn.ModuleList(nn.LayerNorm([width, size, size]) for width in widths)
        self.linears = nn.ModuleList(nn.Linear(a, b) for a, b in [(32, 128), (128, 128), (128, 128), (128, widths[0])])
        self.last = nn.Conv2d(widths[-1], 1, 3, padding=1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        frequencies = torch.tensor([0.0] + [2 * math.pi * 1.5**i for i in range(15)])
        angles = torch.stack([frequency * time for frequency in frequencies], 1)
        code = torch.cat([torch.sin(angles), torch.cos(angles) - 1], 1)
        for layer in self.linears[:-1]:
            code = self.activation(layer(code))
        code = self.linears[-1](code)
        for k, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            x = self.activation(norm(convolution(x)))
            x = x + code[:, :, None, None] if k == 0 else x
        return self.last(x)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_starter_computes_what_its_description_says(activation: str) -> None:
    ours = CNN(widths="3-5-4", kernel=7, activation=activation, patch=1).build(1, 12)
    theirs = Starter([3, 5, 4], 12, ACTIVATIONS[activation]())
    torch.manual_seed(3)
    with torch.no_grad():
        for (name, own), other in zip(ours.named_parameters(), pair_up(theirs), strict=True):
            own.copy_(torch.randn_like(own) * 0.3)
            other.copy_(own.permute(2, 0, 1) if own.ndim == 3 else own)
            assert other.numel() == own.numel(), name
        x, time = inputs(4, size=12)
        torch.testing.assert_close(ours(x, time), theirs(x, time), rtol=1e-4, atol=1e-4)


def pair_up(starter: Starter) -> list[nn.Parameter]:
    """The starter's parameters in the order of ours: block by block, then the time's MLP, then the last convolution."""
    modules: list[nn.Module] = []
    for convolution, norm in zip(starter.convolutions, starter.norms, strict=True):
        modules += [convolution, norm]
    return [p for module in [*modules, *starter.linears, starter.last] for p in module.parameters()]
