"""The U-Nets of the literature: parameters and values by their description, in a second implementation of it."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from trainables.networks import ConvNeXtUNet, FruitsUNet


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def inputs(n: int = 3, channels: int = 1, size: int = 28) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n, channels, size, size, generator=generator), torch.rand(n, generator=generator)


def conv(before: int, after: int, kernel: int) -> int:
    return (before * kernel**2 + 1) * after


def double(before: int, after: int) -> int:
    """Two convolutions, each with the weights and biases of a normalisation."""
    return conv(before, after, 3) + conv(after, after, 3) + 4 * after


@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 100)])
def test_the_fruits_unet_has_as_many_parameters_as_described(channels: int, size: int) -> None:
    down = double(channels, 32) + double(32, 64) + double(64, 128) + double(128, 128)
    up = double(128 + 128, 128) + double(128 + 64, 64) + double(64 + 32, 32)
    codes = (256 + 1) * (64 + 128 + 128 + 128 + 64 + 32)
    attention = 2 * 128 + 3 * 128**2 + conv(128, 128, 1)
    assert parameters(FruitsUNet().build(channels, size)) == down + up + codes + attention + conv(32, channels, 1)


def test_the_fruits_unet_attends_at_12_by_12_pixels_of_its_own_images() -> None:
    network, seen = FruitsUNet().build(3, 100), []
    attention = network.get_submodule("network.attention")
    attention.register_forward_hook(lambda module, given, result: seen.append(given[0].shape))
    with torch.no_grad():
        network(*inputs(1, 3, 100))
    assert seen == [(1, 128, 12, 12)]


class Weights:
    """The weights of a module in the order in which they are taken."""

    def __init__(self, module: nn.Module) -> None:
        self.values = {name.removeprefix("network."): value for name, value in module.state_dict().items()}

    def __call__(self, name: str) -> tuple[Tensor, Tensor]:
        return self.values[f"{name}.weight"], self.values[f"{name}.bias"]


def sinusoids(time: Tensor, width: int) -> Tensor:
    """Vaswani's code of position 1000 t / T, sines and then cosines, from frequency 1 to 1e-4."""
    angles = [[1000 * float(t) * 1e-4 ** (k / (width // 2 - 1)) for k in range(width // 2)] for t in time]
    return torch.tensor([[f(angle) for f in (math.sin, math.cos) for angle in row] for row in angles])


def attention(weights: Weights, name: str, x: Tensor, linear: bool = False) -> Tensor:
    """x plus four heads of attention between its normalised pixels, all pairs of pixels written out."""
    norm, qkv = weights(f"{name}.norm"), weights.values[f"{name}.qkv.weight"]
    pixels = functional.layer_norm(x.flatten(2).transpose(1, 2), [x.shape[1]], *norm) @ qkv.T
    q, k, v = (part.unflatten(2, (4, -1)) for part in pixels.chunk(3, 2))
    if linear:
        share = torch.einsum("nihd,njhd->nhij", q.softmax(3), k.softmax(1)) / q.shape[3] ** 0.5
    else:
        share = (torch.einsum("nihd,njhd->nhij", q, k) / q.shape[3] ** 0.5).softmax(3)
    y = functional.linear(torch.einsum("nhij,njhd->nihd", share, v).flatten(2), *weights(f"{name}.out"))
    return x + y.transpose(1, 2).reshape(x.shape)


def fruits_unet(w: Weights, levels: int, x: Tensor, time: Tensor) -> Tensor:
    """The report's U-Net in plain functions."""

    def double_conv(name: str, x: Tensor) -> Tensor:
        for k in (0, 3):
            y = functional.conv2d(x, *w(f"{name}.{k}"), padding=1)
            x = functional.gelu(functional.group_norm(y, 1, *w(f"{name}.{k + 1}")))
        return x

    code = sinusoids(time, 256)
    outs = [double_conv("first", x)]
    for k in range(levels):
        code_k = functional.linear(code, *w(f"codes_down.{k}"))[:, :, None, None]
        outs.append(double_conv(f"down.{k}", functional.max_pool2d(outs[-1], 2)) + code_k)
    x = attention(w, "attention", outs.pop())
    for k in range(levels):
        skip = outs.pop()
        x = functional.interpolate(x, skip.shape[2:], mode="bilinear", align_corners=False)
        code_k = functional.linear(code, *w(f"codes_up.{k}"))[:, :, None, None]
        x = double_conv(f"up.{k}", torch.cat([x, skip], 1)) + code_k
    return functional.conv2d(x, *w("last"))


@pytest.mark.parametrize("size", [28, 21])
def test_the_fruits_unet_computes_what_its_description_says(size: int) -> None:
    torch.manual_seed(0)
    network, (x, time) = FruitsUNet(widths="4-6-8").build(3, size), inputs(2, 3, size)
    with torch.no_grad():
        torch.testing.assert_close(network(x, time), fruits_unet(Weights(network), 2, x, time), rtol=1e-4, atol=1e-4)


def convnext(before: int, after: int, code: int = 128) -> int:
    """Depthwise 7 x 7, the code's layer, a norm, 3 x 3 to twice the width and back; 1 x 1 where the width changes."""
    inner = conv(before, 2 * after, 3) + conv(2 * after, after, 3)
    return (
        50 * before + (code + 1) * before * (code > 0) + 2 * before + inner + conv(before, after, 1) * (before != after)
    )


def attention_count(channels: int) -> int:
    """A norm, four heads of 32 for q, k and v without biases, and the way back."""
    return 2 * channels + 3 * 128 * channels + conv(128, channels, 1)


def level(before: int, after: int) -> int:
    return convnext(before, after) + convnext(after, after) + attention_count(after)


def test_the_convnext_unet_has_as_many_parameters_as_described() -> None:
    time = conv(32, 128, 1) + conv(128, 128, 1)
    down = level(20, 32) + conv(32, 32, 4) + level(32, 64) + conv(64, 64, 4) + level(64, 128)
    middle = 2 * convnext(128, 128) + attention_count(128)
    up = level(256, 64) + conv(64, 64, 4) + level(128, 32) + conv(32, 32, 4)
    ends = conv(1, 20, 7) + convnext(32, 32, code=0) + conv(32, 1, 1)
    assert parameters(ConvNeXtUNet().build(1, 28)) == time + down + middle + up + ends


def convnext_unet(w: Weights, x: Tensor, time: Tensor) -> Tensor:
    """The tutorial's U-Net in plain functions, for two resolutions."""

    def block(name: str, x: Tensor) -> Tensor:
        y = functional.conv2d(x, *w(f"{name}.depthwise"), padding=3, groups=x.shape[1])
        if f"{name}.code.1.weight" in w.values:
            y = y + functional.linear(functional.gelu(code), *w(f"{name}.code.1"))[:, :, None, None]
        y = functional.layer_norm(y.movedim(1, -1), [y.shape[1]], *w(f"{name}.layers.0")).movedim(-1, 1)
        y = functional.gelu(functional.conv2d(y, *w(f"{name}.layers.1"), padding=1))
        y = functional.conv2d(y, *w(f"{name}.layers.3"), padding=1)
        return y + (functional.conv2d(x, *w(f"{name}.skip")) if f"{name}.skip.weight" in w.values else x)

    def resolution(name: str, x: Tensor) -> Tensor:
        return attention(w, f"{name}.attention", block(f"{name}.blocks.1", block(f"{name}.blocks.0", x)), linear=True)

    code = functional.gelu(functional.linear(sinusoids(time, 16), *w("time.1")))
    code = functional.linear(code, *w("time.3"))
    x = resolution("down.0", functional.conv2d(x, *w("first"), padding=3))
    x = skip = resolution("down.1", functional.conv2d(x, *w("shrink.0"), stride=2, padding=1))
    x = block("middle.1", attention(w, "attention", block("middle.0", x)))
    x = resolution("up.0", torch.cat([x, skip], 1))
    x = functional.conv_transpose2d(x, *w("grow.0"), stride=2, padding=1)
    return functional.conv2d(block("final", x), *w("last"))


@pytest.mark.parametrize("size", [12, 9])
def test_the_convnext_unet_computes_what_its_description_says(size: int) -> None:
    torch.manual_seed(0)
    network, (x, time) = ConvNeXtUNet(dim=16, mults="1-2").build(3, size), inputs(2, 3, size)
    even = functional.pad(x, (0, size % 2, 0, size % 2), mode="replicate")
    with torch.no_grad():
        expected = convnext_unet(Weights(network), even, time)[..., :size, :size]
        torch.testing.assert_close(network(x, time), expected, rtol=1e-4, atol=1e-4)
