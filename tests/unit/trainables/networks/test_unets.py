"""The U-Nets of the literature: parameters and recorded values of their authors' modules."""

import pytest
import torch
from torch import Tensor, nn

from tests.helpers.networks import inputs, parameters
from trainables.networks import ConvNeXtUNet, FruitsUNet


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


def test_the_convnext_unet_has_the_3733172_parameters_of_its_author() -> None:
    assert parameters(ConvNeXtUNet().build(1, 28)) == 3_733_172


def test_the_convnext_unet_answers_as_its_authors_module_does() -> None:
    """Recorded from Unet of VishalJ99/diffusion_model_cw, with these weights, of dim 32 and dim_mults 1, 2, 4."""
    network, (x, _) = ConvNeXtUNet().build(1, 28), inputs(2, 1, 28)
    time = torch.tensor([0.001, 0.5])
    fill(network, x, time)
    with torch.no_grad():
        y = network(x, time)
    torch.testing.assert_close(y.mean((2, 3)).flatten(), torch.tensor([-0.37579, -0.33966]), rtol=0, atol=1e-4)
    torch.testing.assert_close(y.std((2, 3)).flatten(), torch.tensor([1.14224, 1.21214]), rtol=0, atol=1e-4)
    some = [0.101, 0.1817, -0.0635, 0.5315, -0.5943, 2.5468, 0.0935, 0.9296]
    some += [-0.747, 0.0488, -0.8853, -2.978, 0.3883, -3.8143, -0.1863, 0.1655]
    torch.testing.assert_close(y[:, :, ::9, ::9].flatten()[::2], torch.tensor(some), rtol=0, atol=2e-4)
