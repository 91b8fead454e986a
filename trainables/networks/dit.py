"""A diffusion transformer: attention between the patches of an image, and no convolution."""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from trainables.domain import Choice, Int
from trainables.networks.attention import attend
from trainables.networks.base import ACTIVATIONS, Activation, Network, Patched
from trainables.networks.codes import TimeCode

EXPANSION = 4
EPS = 1e-6  # of the normalisations, as the authors have it


@dataclass(frozen=True)
class DiT(Network):
    """Transformer of `depth` blocks whose norms are modulated by time and label, adaLN-Zero (Peebles & Xie 2023).

    A token is a patch of `patch` x `patch` pixels. At first each block is the identity, and the output is 0.
    """

    width: Annotated[int, Choice(64, 128, 192, 256, 384)] = 128
    depth: Annotated[int, Int(1, 24)] = 4
    heads: Annotated[int, Choice(2, 4, 8)] = 4
    activation: Annotated[str, Choice(*ACTIVATIONS)] = "gelu"
    patch: Annotated[int, Choice(1, 2, 4)] = 4

    def build(self, channels: int, size: int, classes: int = 0) -> nn.Module:
        """Return the module for images (N, channels, size, size) and `classes`, see `Network.build`."""
        return Patched(_DiT(self, channels * self.patch**2, -(-size // self.patch), classes), self.patch)


class _Linear(nn.Linear):
    """A layer that begins with Xavier's uniform weights (Glorot & Bengio 2010), or with zeros; its bias with zeros."""

    def __init__(self, before: int, after: int, zero: bool = False) -> None:
        super().__init__(before, after)
        nn.init.zeros_(self.bias)
        if zero:
            nn.init.zeros_(self.weight)
        else:
            nn.init.xavier_uniform_(self.weight)


def _norm(width: int) -> nn.Module:
    return nn.LayerNorm(width, eps=EPS, elementwise_affine=False)


class _Block(nn.Module):
    """Tokens x (N, L, width) -> x + gate attention(norm'(x)), then the same with an MLP in place of the attention.

    norm' = (1 + scale) norm + shift. Shifts, scales and gates are a layer of the code (N, width).
    """

    def __init__(self, width: int, heads: int, activation: Activation) -> None:
        super().__init__()
        self.heads, self.norm = heads, _norm(width)
        self.modulation = _Linear(width, 6 * width, zero=True)
        self.qkv, self.out = _Linear(width, 3 * width), _Linear(width, width)
        self.mlp = nn.Sequential(_Linear(width, EXPANSION * width), activation(), _Linear(EXPANSION * width, width))

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        shift, scale, gate, shift_mlp, scale_mlp, gate_mlp = self.modulation(code)[:, None].chunk(6, -1)
        x = x + gate * self._attention((1 + scale) * self.norm(x) + shift)
        return x + gate_mlp * self.mlp((1 + scale_mlp) * self.norm(x) + shift_mlp)

    def _attention(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.out(attend(q, k, v).transpose(1, 2).flatten(2))


class _DiT(nn.Module):
    positions: Tensor

    def __init__(self, config: DiT, channels: int, size: int, classes: int) -> None:
        super().__init__()
        width, activation = config.width, ACTIVATIONS[config.activation]
        self.first = _Linear(channels, width)
        self.register_buffer("positions", position_code(width, size), persistent=False)
        self.time, self.activation = TimeCode(width, activation, classes), activation()
        self.blocks = nn.ModuleList(_Block(width, config.heads, activation) for _ in range(config.depth))
        self.norm, self.modulation = _norm(width), _Linear(width, 2 * width, zero=True)
        self.last = _Linear(width, channels, zero=True)

    def forward(self, x: Tensor, time: Tensor, label: Tensor | None = None) -> Tensor:
        n, channels, height, width = x.shape
        code = self.activation(self.time(time, label))
        y = self.first(x.permute(0, 2, 3, 1).reshape(n, height * width, channels)) + self.positions
        for block in self.blocks:
            y = block(y, code)
        shift, scale = self.modulation(code)[:, None].chunk(2, -1)
        y = self.last((1 + scale) * self.norm(y) + shift)
        return y.reshape(n, height, width, channels).permute(0, 3, 1, 2)


def position_code(width: int, size: int) -> Tensor:
    """Return the code (size^2, width) of the places of a square, in rows: half of it of the column, half of the row.

    Each half is sin, then cos, of the place times the frequencies 10000^(-4k / width) (Vaswani et al. 2017, 3.5).
    """
    frequencies = 1e4 ** (-torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    angle = torch.arange(size, dtype=torch.float64)[:, None] * frequencies
    line = torch.cat([angle.sin(), angle.cos()], 1).float()
    columns, rows = line[None].expand(size, -1, -1), line[:, None].expand(-1, size, -1)
    return torch.cat([columns, rows], 2).flatten(0, 1)
