"""Degradations that blend x0 into another image: clothes, random patterns, QR codes."""

import functools
import random
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional

from trainables.diffusion.degradations.base import LinearInterpolant, Overlay
from trainables.diffusion.source import Source
from trainables.domain import Choice


@dataclass(frozen=True)
class Morph(Overlay):
    """x_t = sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) f, f a Fashion-MNIST image (Siddiquei; Bansal 2022)."""

    def draw(self, x0: Tensor, source: Source) -> Tensor:
        """Return one overlay image per image, (N, C, H, W)."""
        return source.overlays(x0.shape)


@dataclass(frozen=True)
class PseudoQR(LinearInterpolant):
    """x_t = (1 - sigma) x0 + sigma q, q a random black-and-white pattern of `block` x `block` pixels (Grivot)."""

    block: Annotated[int, Choice(1, 2, 4, 7)] = 1

    def draw(self, x0: Tensor, source: Source) -> Tensor:
        """Return one pattern per image (N, C, H, W), each pixel black or white, the same in all channels."""
        n, channels, height, width = x0.shape
        cells = torch.Size((n, 1, -(-height // self.block), -(-width // self.block)))
        bits = (source.uniform(cells) < 0.5).to(x0.dtype)
        bits = bits.repeat_interleave(self.block, 2).repeat_interleave(self.block, 3)[..., :height, :width]
        return source.pixels.grey(bits).expand(n, channels, height, width)


@dataclass(frozen=True)
class QR(LinearInterpolant):
    """x_t = (1 - sigma) x0 + sigma q, q a real QR code, 17 + 4 version modules wide (tried and dropped by Grivot)."""

    version: Annotated[int, Choice(1, 2, 3, 4)] = 1

    def draw(self, x0: Tensor, source: Source) -> Tensor:
        """Return one code per image (N, C, H, W), resized by nearest pixels, the same in all channels."""
        codes = _codes(self.version, x0.device)
        bits = codes[source.index(len(codes), len(x0))].to(x0.dtype)
        bits = functional.interpolate(bits, size=x0.shape[-2:], mode="nearest-exact")
        return source.pixels.grey(bits).expand(x0.shape)


# Codes are made once per process, because one takes 0.6 to 2 ms, which was too slow for Grivot.
CODES = 1024
# Bytes in a full code by version, at the lowest error correction (ISO/IEC 18004, table 7).
CAPACITY = {1: 17, 2: 32, 3: 53, 4: 78}


@functools.cache
def _codes(version: int, device: torch.device) -> Tensor:
    """Return QR codes of random bytes, uint8 (CODES, 1, S, S), 1 where a code is light, without the quiet zone."""
    import segno  # 0.06 s, which only these codes need

    rng = random.Random(0)
    codes = [
        # All eight masks are valid; to choose the best takes segno five times as long.
        segno.make(rng.randbytes(CAPACITY[version]), version=version, error="l", mode="byte", mask=k % 8)
        for k in range(CODES)
    ]
    dark = torch.tensor([[list(row) for row in code.matrix] for code in codes], dtype=torch.uint8)
    return (1 - dark)[:, None].to(device)
