"""The U-Nets of the literature: parameters and values of their authors' modules, and by their description."""

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


def in_order_of_use(network: nn.Module, *given: Tensor) -> list[nn.Parameter]:
    """The parameters in the order in which a forward pass calls their modules, of each its weights before its biases.

    In this order a network has the same parameters as its authors' module, whatever they are called.
    """
    found: list[nn.Parameter] = []
    for module in network.modules():
        module.register_forward_pre_hook(lambda module, given: found.extend(module.parameters(recurse=False)))
    with torch.no_grad():
        network(*given)
    return list(dict.fromkeys(found))


def fill(network: nn.Module, *given: Tensor) -> None:
    """Set all parameters to normal numbers of one seeded generator, in order of use.

    Weights are divided by the root of the inputs of an output; norms have 1 + 0.1 z and 0.1 z, biases 0.1 z.
    """
    names = {parameter: name for name, parameter in network.named_parameters()}
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in in_order_of_use(network, *given):
            z = torch.randn(parameter.numel(), generator=generator).view(parameter.shape)
            if parameter.ndim > 1:
                parameter.copy_(z / parameter[0].numel() ** 0.5)
            else:
                parameter.copy_(names[parameter].endswith("weight") + 0.1 * z)


def test_the_fruits_unet_has_the_3109763_parameters_of_its_authors() -> None:
    assert parameters(FruitsUNet().build(3, 100)) == 3_109_763


def test_the_fruits_unet_answers_as_its_authors_module_does() -> None:
    """Recorded from DiffusionUNet of BartvanderWoude/RUG_DL_Group12, with these weights at their steps 0 and 499."""
    network, (x, _) = FruitsUNet().build(3, 100), inputs(2, 3, 100)
    time = torch.tensor([0.001, 0.5])
    fill(network, x, time)
    with torch.no_grad():
        y = network(x, time)
    means = [1.02227, 1.74284, -0.49067, 0.53545, -0.71405, -0.21175]
    torch.testing.assert_close(y.mean((2, 3)).flatten(), torch.tensor(means), rtol=0, atol=1e-4)
    some = [0.14413, 2.0186, 0.36396, 2.10912, 1.86086, 0.91876, -0.2699, 0.3097]
    some += [-0.31856, 1.30043, -0.09627, -0.78977, -0.63899, 0.64172, 0.12022, 0.21844]
    pixels = y[:, :, ::33, ::49].flatten(1)[:, ::5].flatten()
    torch.testing.assert_close(pixels, torch.tensor(some), rtol=0, atol=2e-4)


@pytest.mark.parametrize(("widths", "after"), [("32-64-128-128", [64, 32, 32]), ("4-6-8", [4, 4]), ("4-6", [4])])
def test_the_fruits_unet_attends_at_the_bottom_and_narrows_on_the_way_up(widths: str, after: list[int]) -> None:
    network, seen = FruitsUNet(widths=widths).build(3, 100), []
    for name in ("attention", *(f"up.{k}" for k in range(len(after)))):
        module = network.get_submodule(f"network.{name}")
        module.register_forward_hook(lambda module, given, result: seen.append(result.shape[1:]))
    with torch.no_grad():
        network(*inputs(1, 3, 100))
    sides = [100 // 2 ** (len(after) - k) for k in range(len(after) + 1)]
    channels = [int(widths.rpartition("-")[2]), *after]
    assert seen == [(c, side, side) for c, side in zip(channels, sides, strict=True)]


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
