"""Networks: shapes, parameter counts and values by the literature's description, in a second implementation of it."""

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainables.domain import Choice, domains
from trainables.networks import ACTIVATIONS, CNN, NETWORKS, ChannelNorm, ImageNorm, TimeCode

SMALL: dict[str, dict[str, Any]] = {"cnn": {"widths": "3-4", "kernel": 3}, "unet": {"widths": "4-6"}}


def build(kind: str, channels: int = 1, size: int = 28, **settings: Any) -> nn.Module:
    """A network of that kind; small where there are numbers for it, else with its defaults."""
    torch.manual_seed(0)
    return NETWORKS[kind](**{**SMALL.get(kind, {}), **settings}).build(channels, size)


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def inputs(n: int = 3, channels: int = 1, size: int = 28) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n, channels, size, size, generator=generator), torch.rand(n, generator=generator)


@pytest.mark.parametrize("size", [28, 32, 17, 100])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", NETWORKS)
def test_the_output_has_the_inputs_shape(kind: str, channels: int, size: int) -> None:
    x, time = inputs(2, channels, size)
    with torch.no_grad():
        y = build(kind, channels, size)(x, time)
    assert y.shape == x.shape
    assert y.dtype == torch.float32
    assert y.isfinite().all()


@pytest.mark.parametrize("size", [28, 17])
@pytest.mark.parametrize("kind", NETWORKS)
def test_every_choice_can_be_built(kind: str, size: int) -> None:
    x, time = inputs(2, size=size)
    for name, domain in domains(NETWORKS[kind]).items():
        for option in domain.options if isinstance(domain, Choice) else ():
            with torch.no_grad():
                assert build(kind, 1, size, **{name: option})(x, time).shape == x.shape, f"{name}={option}"


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", NETWORKS)
def test_every_parameter_learns_whatever_the_activation(kind: str, activation: str) -> None:
    network, (x, time) = build(kind, activation=activation), inputs()
    (network(x, time) * torch.randn(x.shape, generator=torch.Generator().manual_seed(2))).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


@pytest.mark.parametrize("kind", NETWORKS)
def test_an_image_is_seen_with_its_own_time_and_none_of_the_batch(kind: str) -> None:
    network, (x, time) = build(kind), inputs(4)
    with torch.no_grad():
        together = network(x, time)
        alone = torch.cat([network(x[k : k + 1], time[k : k + 1]) for k in range(4)])
        other = network(x, time.flip(0))
    torch.testing.assert_close(alone, together, rtol=0, atol=1e-5)
    assert ((other - together).abs().amax((1, 2, 3)) > 1e-4).all()


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_seed_fixes_the_initial_weights(kind: str) -> None:
    first, second = build(kind).state_dict(), build(kind).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("kind", NETWORKS)
def test_bf16_says_about_the_same(kind: str) -> None:
    network, (x, time) = build(kind), inputs()
    with torch.no_grad():
        exact = network(x, time)
        with torch.autocast("cpu", torch.bfloat16):
            rough = network(x, time).float()
    assert (rough - exact).norm() < 0.05 * exact.norm()


def starter_count(widths: list[int], channels: int = 1, size: int = 28, kernel: int = 7) -> int:
    """Parameters of the starter CNN, counted from its description."""
    blocks = sum(
        (before * kernel**2 + 1) * after + 2 * after * size**2
        for before, after in zip([channels, *widths[:-1]], widths, strict=True)
    )
    time = sum((before + 1) * after for before, after in [(32, 128), (128, 128), (128, 128), (128, widths[0])])
    return blocks + time + (widths[-1] * 9 + 1) * channels


@pytest.mark.parametrize("widths", [[16, 32, 64, 32, 16], [32, 64, 128, 64, 32], [64, 96, 96, 64]])
def test_the_starter_has_as_many_parameters_as_described(widths: list[int]) -> None:
    network = CNN(widths="-".join(map(str, widths)), patch=1).build(1, 28)
    assert parameters(network) == starter_count(widths)


def test_the_starter_has_the_291217_parameters_of_the_literature() -> None:
    assert (
        parameters(CNN(widths="16-32-32-16", kernel=7, patch=1).build(1, 28))
        == 291_217
        == starter_count([16, 32, 32, 16])
    )


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


def test_image_norm_is_layer_norm_over_channels_and_pixels() -> None:
    torch.manual_seed(0)
    ours, theirs = ImageNorm(5, 6), nn.LayerNorm([5, 6, 6])
    with torch.no_grad():
        theirs.weight.normal_()
        theirs.bias.normal_()
        ours.weight.copy_(theirs.weight.permute(1, 2, 0))
        ours.bias.copy_(theirs.bias.permute(1, 2, 0))
    x = torch.randn(3, 5, 6, 6)
    torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-5)


def test_channel_norm_standardises_every_pixel_over_its_channels() -> None:
    x = torch.randn(3, 5, 4, 6, generator=torch.Generator().manual_seed(0))
    expected = (x - x.mean(1, keepdim=True)) / (x.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(ChannelNorm(5)(x), expected, rtol=0, atol=1e-5)


def test_the_time_code_tells_every_one_of_thousands_of_steps_apart() -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        code = TimeCode(8, nn.GELU)(torch.arange(5001) / 5000)
    assert len(code.round(decimals=6).unique(dim=0)) == 5001
