"""What networks are made of: normalisations, codes of time and attention, against torch's own or their definition."""

import pytest
import torch
from diffusers.models.embeddings import get_timestep_embedding
from torch import Tensor, nn
from torch.nn import functional

from trainables.networks import ACTIVATIONS
from trainables.networks.attention import Attention, attend, attend_linearly
from trainables.networks.codes import Sinusoids, TimeCode
from trainables.networks.norms import ChannelNorm, ImageNorm, plain_image_norm


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


def test_the_plain_image_norm_is_layer_norm_over_channels_and_pixels_without_weights() -> None:
    x = torch.randn(3, 5, 4, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(plain_image_norm(5)(x), functional.layer_norm(x, x.shape[1:]), rtol=0, atol=1e-5)
    assert not list(plain_image_norm(5).parameters())


def test_channel_norm_standardises_every_pixel_over_its_channels() -> None:
    x = torch.randn(3, 5, 4, 6, generator=torch.Generator().manual_seed(0))
    expected = (x - x.mean(1, keepdim=True)) / (x.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(ChannelNorm(5)(x), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", [(4, 7), (3, 5, 6, 6), (3, 1, 6, 6), (2, 4, 1, 1)], ids=str)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_and_their_gradients_do_not_depend_on_the_order_in_memory(
    name: str, shape: tuple[int, ...]
) -> None:
    """In either order the same numbers, and those of float64, in the order that came in."""
    x = 3 * torch.randn(shape, generator=torch.Generator().manual_seed(0))
    orders = [torch.contiguous_format, *([torch.channels_last] if len(shape) == 4 else [])]
    results = []
    for order, kind in [*((order, torch.float32) for order in orders), (torch.contiguous_format, torch.float64)]:
        given = x.to(kind, memory_format=order, copy=True).requires_grad_()
        y = ACTIVATIONS[name]()(given)
        assert y.is_contiguous(memory_format=order)
        (y**2).sum().backward()
        results.append((y.detach().double(), given.grad.double()))
    for found in results[:-1]:
        torch.testing.assert_close(found, results[-1], rtol=1e-4, atol=1e-5)


def test_gelu_is_exact_not_the_approximation_by_tanh() -> None:
    x = torch.linspace(-4, 4, 1001, dtype=torch.float64)
    expected = x * torch.distributions.Normal(0.0, 1.0).cdf(x)
    torch.testing.assert_close(ACTIVATIONS["gelu"]()(x), expected)


def test_the_time_code_tells_every_one_of_thousands_of_steps_apart() -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        code = TimeCode(8, nn.GELU)(torch.arange(5001) / 5000)
    assert len(code.round(decimals=6).unique(dim=0)) == 5001


@pytest.mark.parametrize(
    ("frequencies", "shift"), [(torch.logspace(0, -4, 16), 1), (1e4 ** (-torch.arange(0, 32, 2) / 32), 0)]
)
def test_the_sinusoids_are_those_of_diffusers(frequencies: Tensor, shift: float) -> None:
    expected = get_timestep_embedding(torch.arange(1001), 32, downscale_freq_shift=shift)
    torch.testing.assert_close(Sinusoids(frequencies)(torch.arange(1001.0)), expected, rtol=0, atol=1e-3)


def tokens(heads: int = 2, count: int = 9, width: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    q, k, v = torch.randn(3, 5, heads, count, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return q, k, v


def test_attention_is_torchs_also_where_bf16_is_asked_for() -> None:
    q, k, v = (x.float() for x in tokens())
    expected = functional.scaled_dot_product_attention(q, k, v)
    torch.testing.assert_close(attend(q, k, v), expected, rtol=0, atol=1e-6)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(attend(q, k, v), expected, rtol=0, atol=1e-6)


def test_linear_attention_is_its_quadratic_definition() -> None:
    q, k, v = tokens()
    weights = torch.einsum("nhid,nhjd->nhij", q, k.softmax(2))  # of pixel j for pixel i
    expected = torch.einsum("nhij,nhjd->nhid", weights, v) / 4**0.5
    torch.testing.assert_close(attend_linearly(q, k, v), expected)


@pytest.mark.parametrize(("channels", "heads"), [(8, 4), (6, 1)])
def test_attention_of_images_is_torchs_of_their_normalised_pixels(channels: int, heads: int) -> None:
    torch.manual_seed(0)
    ours = Attention(channels, heads, channels // heads)
    theirs = nn.MultiheadAttention(channels, heads, batch_first=True)
    x = torch.randn(3, channels, 4, 5)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.qkv.weight)
        theirs.out_proj.weight.copy_(ours.out.weight)
        theirs.out_proj.bias.copy_(ours.out.bias)
        pixels = functional.layer_norm(x.flatten(2).transpose(1, 2), [channels])
        expected = x + theirs(pixels, pixels, pixels)[0].transpose(1, 2).reshape(x.shape)
        torch.testing.assert_close(ours(x), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("linear", [True, False])
def test_attention_of_images_knows_no_places(linear: bool) -> None:
    torch.manual_seed(0)
    module, x = Attention(6, 2, 3, linear=linear), torch.randn(2, 6, 3, 4)
    with torch.no_grad():
        torch.testing.assert_close(module(x.flip(2)), module(x).flip(2), rtol=0, atol=1e-6)
