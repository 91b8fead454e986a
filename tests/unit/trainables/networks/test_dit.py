"""The diffusion transformer: its blocks are those of diffusers, and begin as the identity."""

import numpy as np
import pytest
import torch
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.embeddings import get_2d_sincos_pos_embed
from torch import Tensor, nn

from tests.helpers.networks import inputs, parameters
from trainables.networks import DiT
from trainables.networks.dit import position_code


def tokens(width: int, n: int = 3) -> tuple[Tensor, Tensor]:
    """Tokens (n, 9, width) and codes (n, width)."""
    generator = torch.Generator().manual_seed(2)
    return torch.randn(n, 9, width, generator=generator), torch.randn(n, width, generator=generator)


def transformer(config: DiT, classes: int = 0) -> nn.Module:
    torch.manual_seed(0)
    network = config.build(1, 28, classes).network
    assert isinstance(network, nn.Module)
    return network


@pytest.mark.parametrize("classes", [0, 3])
def test_at_first_its_output_is_0_and_its_blocks_change_nothing(classes: int) -> None:
    config, (x, time) = DiT(width=64, depth=2), inputs()
    label = (torch.tensor([0, 2, 3]),) if classes else ()
    with torch.no_grad():
        assert not config.build(1, 28, classes)(x, time, *label).any()
        y, code = tokens(64)
        for block in transformer(config, classes).blocks:
            assert torch.equal(block(y, code), y)


def test_a_step_of_training_changes_its_output() -> None:
    network, (x, time) = DiT(width=64, depth=2).build(1, 28), inputs()
    (network(x, time) - x).square().mean().backward()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter -= 0.1 * parameter.grad
        assert network(x, time).abs().amax((1, 2, 3)).min() > 1e-4


@pytest.mark.parametrize("heads", [2, 8])
def test_a_block_answers_as_that_of_diffusers_with_the_same_weights(heads: int) -> None:
    torch.manual_seed(0)
    theirs = BasicTransformerBlock(
        *(64, heads, 64 // heads),
        norm_type="ada_norm_zero",
        num_embeds_ada_norm=4,
        activation_fn="gelu",
        attention_bias=True,
        norm_elementwise_affine=False,
    )
    theirs.eval()  # or it hides labels
    assert theirs.norm1 is not None
    ours = transformer(DiT(width=64, depth=1, heads=heads)).blocks[0]
    attention, (widen, _, narrow) = theirs.attn1, theirs.ff.net
    qkv = [attention.to_q, attention.to_k, attention.to_v]
    with torch.no_grad():
        ours.qkv.weight.copy_(torch.cat([layer.weight for layer in qkv]))
        ours.qkv.bias.copy_(torch.cat([layer.bias for layer in qkv]))
        pairs = {ours.modulation: theirs.norm1.linear, ours.out: attention.to_out[0]}
        for own, other in {**pairs, ours.mlp[0]: widen.proj, ours.mlp[2]: narrow}.items():
            own.weight.copy_(other.weight)
            own.bias.copy_(other.bias)
        theirs.norm3.eps = theirs.norm1.norm.eps  # ours has that of the authors throughout
        x, _ = tokens(64)
        times, labels = torch.tensor([1, 400, 999]), torch.tensor([0, 2, 3])
        code = nn.functional.silu(theirs.norm1.emb(times, labels, hidden_dtype=torch.float32))
        expected = theirs(x, timestep=times, class_labels=labels)
        assert (expected - x).abs().max() > 0.1
        torch.testing.assert_close(ours(x, code), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("width", "size"), [(64, 7), (192, 14), (128, 1)])
def test_its_code_of_places_is_that_of_diffusers(width: int, size: int) -> None:
    theirs = get_2d_sincos_pos_embed(width, size, base_size=size, output_type="pt")
    np.testing.assert_allclose(position_code(width, size), theirs, rtol=0, atol=1e-5)


def test_it_sees_where_a_patch_is() -> None:
    """Without its code of places, the answers would be exchanged as the patches are."""
    network, (x, time) = DiT(width=64, depth=1).build(1, 28), inputs()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        rolled = network(x.roll(4, -1), time)
        assert (rolled - network(x, time).roll(4, -1)).abs().max() > 1e-3


def test_it_has_the_parameters_of_the_papers_blocks() -> None:
    """18 width^2 + 15 width: 3 + 1 of attention, 8 of the MLP and 6 of the modulation, with their biases."""
    fewer, more = (parameters(DiT(width=384, depth=depth).build(1, 28)) for depth in (2, 12))
    assert (more - fewer) / 10 == 18 * 384**2 + 15 * 384
