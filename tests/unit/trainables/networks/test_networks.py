"""Networks: what holds of each of them, whatever it is made of, beside trainables/laws.py."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.helpers.networks import inputs
from trainables.domain import Choice, ConfigError, domains
from trainables.networks import ACTIVATIONS, NETWORKS, FruitsUNet

SMALL: dict[str, dict[str, Any]] = {
    "cnn": {"widths": "3-4", "kernel": 3},
    "unet": {"widths": "4-6", "attention": True},
    "fruits_unet": {"widths": "4-6-8"},
    "convnext_unet": {"dim": 16, "mults": "1-2"},
    "dit": {"width": 64, "depth": 2},
}
AT_FIRST_0 = ("dit",)  # the output of the initial weights


def build(kind: str, channels: int = 1, size: int = 28, classes: int = 0, **settings: Any) -> nn.Module:
    """A network of that kind whose output is not 0; small where there are numbers for it, else with its defaults."""
    torch.manual_seed(0)
    network = NETWORKS[kind](**{**SMALL.get(kind, {}), **settings}).build(channels, size, classes)
    if kind in AT_FIRST_0:
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
    return network


@pytest.mark.parametrize(("channels", "size"), [(3, 17), (1, 100)])
@pytest.mark.parametrize("kind", NETWORKS)
def test_an_output_of_any_size_has_the_inputs_shape(kind: str, channels: int, size: int) -> None:
    x, time = inputs(2, channels, size)
    with torch.no_grad():
        y = build(kind, channels, size)(x, time)
    assert y.shape == x.shape
    assert y.dtype == torch.float32
    assert y.isfinite().all()


# What a field may be where its domain is no Choice: two texts of widths, two numbers of blocks.
OPTIONS: dict[str, tuple[Any, Any]] = {"widths": ("3-4", "4-3"), "mults": ("1-2", "2-1"), "depth": (1, 2)}


@pytest.mark.parametrize("size", [28, 17])
@pytest.mark.parametrize("kind", NETWORKS)
def test_every_option_of_a_field_is_another_network(kind: str, size: int) -> None:
    x, time = inputs(2, size=size)
    for name, domain in domains(NETWORKS[kind]).items():
        options = domain.options if isinstance(domain, Choice) else OPTIONS[name]
        answers = []
        for option in options:
            with torch.no_grad():
                answers.append(build(kind, 1, size, **{name: option})(x, time))
            assert answers[-1].shape == x.shape, f"{name}={option}"
        for (first, one), (second, other) in itertools.combinations(zip(options, answers, strict=True), 2):
            assert not torch.allclose(one, other), f"{name}: {first} and {second}"


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
def test_a_seed_fixes_the_initial_weights(kind: str) -> None:
    first, second = build(kind).state_dict(), build(kind).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_network_with_classes_answers_each_image_by_its_own_label(kind: str) -> None:
    network, (x, time) = build(kind, classes=3), inputs(4)
    with torch.no_grad():
        answers = [network(x, time, torch.full((4,), label)) for label in range(4)]
        mixed = network(x, time, torch.arange(4))
    diagonal = torch.stack([answers[label][label] for label in range(4)])
    torch.testing.assert_close(mixed, diagonal, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", NETWORKS)
def test_labels_are_all_that_a_network_with_classes_has_more(kind: str) -> None:
    more = build(kind, classes=3).state_dict().keys() - build(kind).state_dict().keys()
    assert more
    assert all("label" in name for name in more)


@pytest.mark.parametrize("kind", NETWORKS)
def test_bf16_says_about_the_same(kind: str) -> None:
    network, (x, time) = build(kind), inputs()
    with torch.no_grad():
        exact = network(x, time)
        with torch.autocast("cpu", torch.bfloat16):
            rough = network(x, time).float()
    assert (rough - exact).norm() < 0.05 * exact.norm()


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_order_in_memory_changes_nothing(kind: str) -> None:
    network, (x, time) = build(kind, channels=3), inputs(channels=3)
    with torch.no_grad():
        contiguous = network(x, time)
        network.to(memory_format=torch.channels_last)
        torch.testing.assert_close(network(x, time), contiguous, rtol=0, atol=1e-5)
        last = x.contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(network(last, time), contiguous, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", NETWORKS)
def test_images_stay_in_nhwc_order_from_convolution_to_convolution(kind: str) -> None:
    """Forward and backward: an order that changes on the way costs copies, and convolutions half their speed."""
    network, (x, time) = build(kind).to(memory_format=torch.channels_last), inputs()
    astray: list[str] = []

    def look(name: str, tensors: tuple[Tensor | None, ...]) -> None:
        images = [tensor for tensor in tensors if tensor is not None and tensor.ndim == 4]
        astray.extend(name for image in images if not image.is_contiguous(memory_format=torch.channels_last))

    convolutions = [(n, m) for n, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    for name, module in convolutions:
        module.register_forward_hook(lambda module, given, found, name=name: look(name, (*given, found, module.weight)))
        module.register_full_backward_hook(lambda module, given, found, name=name: look(f"to {name}", given))
    with torch.autocast("cpu", torch.bfloat16):
        network(x.requires_grad_(), time).square().mean().backward()
    assert convolutions or kind == "dit"
    assert not astray


@pytest.mark.parametrize("kind", NETWORKS)
def test_gradients_are_the_same_each_time(kind: str) -> None:
    network, (x, time) = build(kind), inputs()
    gradients = []
    for _ in range(2):
        network.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16):
            network(x, time).square().mean().backward()
        gradients.append([p.grad.clone() for p in network.parameters() if p.grad is not None])
    assert len(gradients[0]) == len(list(network.parameters()))
    assert all(torch.equal(first, second) for first, second in zip(*gradients, strict=True))


@pytest.mark.parametrize(("widths", "patch", "least"), [("4-6", 1, 2), ("4-6-8-8", 1, 8), ("4-6-8", 2, 7)])
def test_images_too_small_to_be_halved_are_refused(widths: str, patch: int, least: int) -> None:
    network = FruitsUNet(widths=widths, patch=patch)
    x, time = inputs(2, size=least)
    with torch.no_grad():
        assert network.build(1, least)(x, time).shape == x.shape
    with pytest.raises(ConfigError, match=rf"images of {least - 1} pixels are too small, at least {least} "):
        network.build(1, least - 1)
