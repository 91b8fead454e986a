"""Degradations that average pixels: over a neighbourhood, blocks, rows or columns."""

import functools
import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from trainables.diffusion.degradations.base import Degradation
from trainables.diffusion.schedules import Step
from trainables.diffusion.source import Source
from trainables.domain import Choice, Int, Log


@dataclass(frozen=True)
class Blur(Degradation):
    """Gaussian blur of variance sigma^2 t / T square pixels, mirrored at the borders (Jain; Bansal 2022).

    It follows `step.time`, because the variances of repeated blurs add up: with sigma 10 and T = 100, step t is t of
    Jain's blurs by 11 x 11 pixels of sigma 1. In the cosine basis a blur multiplies by a power of one factor (cf.
    Rissanen et al. 2023).
    """

    sigma: Annotated[float, Log(2, 40)] = 10.0

    def draw(self, x0: Tensor, source: Source) -> Tensor:
        """Return an empty z (N, 0)."""
        return x0.new_empty(len(x0), 0)

    def __call__(self, x0: Tensor, step: Step, z: Tensor) -> Tensor:
        """Return x_t (N, C, H, W) of x0's dtype."""
        (down, rows), (across, columns) = (_cosines(size, x0.device) for size in x0.shape[-2:])
        time = step.over(x0).time
        blurs = self.sigma**2 * time  # the number of blurs of sigma 1, a real number
        spectrum = (down @ x0.float() @ across.T) * (rows[:, None] ** blurs) * (columns**blurs)
        return torch.where(time > 0, (down.T @ spectrum @ across).to(x0.dtype), x0)

    def prior(self, shape: torch.Size, step: Step, source: Source) -> tuple[Tensor, Tensor]:
        """Return images of one value per channel, from N(0.14, 0.05), with pixel noise N(0, 0.002).

        Values are in units of the pixel range, standard deviations second. These are Jain's N(-0.36, 0.05) for pixels
        from -0.5 to 0.5; the mean of MNIST is 0.13.
        """
        value = 0.14 + 0.05 * source.normal(torch.Size((*shape[:2], 1, 1)))
        x_T = source.pixels.grey(value + 0.002 * source.normal(shape))
        return x_T, self.draw(x_T, source)


@functools.lru_cache(maxsize=8)
def _cosines(size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the orthonormal DCT-II (frequency, position), and the factor (frequency,) of one blur of sigma 1.

    The blur mirrors at the borders, with the outermost pixel repeated, and has 11 pixels, as Jain's.
    """
    omega, offset = torch.arange(size, dtype=torch.float64) * (math.pi / size), torch.arange(-5, 6)
    basis = torch.cos(omega[:, None] * (torch.arange(size) + 0.5)) * (2 / size) ** 0.5
    basis[0] /= 2**0.5
    left = torch.cos(omega[:, None] * offset) @ torch.softmax(-0.5 * offset.double() ** 2, 0)
    return basis.float().to(device), left.float().to(device)


@dataclass(frozen=True)
class Pixelate(Degradation):
    """Averages over blocks, which grow geometrically in t / T until `cells` x `cells` are left.

    A side has floor(H (cells / H)^(t / T)) blocks, fewer than H from the first step on; their sizes differ by at most
    a pixel. Bansal (2022) halves the number at each of 3 steps, from 28 to 3.
    """

    cells: Annotated[int, Int(1, 8)] = 3

    def draw(self, x0: Tensor, source: Source) -> Tensor:
        """Return an empty z (N, 0)."""
        return x0.new_empty(len(x0), 0)

    def __call__(self, x0: Tensor, step: Step, z: Tensor) -> Tensor:
        """Return x_t (N, C, H, W) of x0's dtype."""
        down, across = (_block_means(size, x0.device)[self._blocks(size, step.time)][:, None] for size in x0.shape[-2:])
        return torch.where(step.over(x0).time > 0, (down @ x0.float() @ across.mT).to(x0.dtype), x0)

    def _blocks(self, size: int, time: Tensor) -> Tensor:
        """Return the number of blocks (N,) along a side of `size` pixels."""
        # 1e-4, because a power that is a whole number may come out just below it.
        blocks = (size ** (1 - time) * self.cells**time + 1e-4).floor().long()
        return blocks.clamp(max=size - 1).clamp(min=1)


@functools.lru_cache(maxsize=8)
def _block_means(size: int, device: torch.device) -> Tensor:
    """Return (size + 1, size, size): at [k] the matrix that replaces pixels by the means of k blocks; [0] is as [1]."""
    blocks = torch.arange(size + 1)[:, None]
    block = ((torch.arange(size) + 0.5) * blocks / size).floor()
    same = (block[:, :, None] == block[:, None, :]).float()
    return (same / same.sum(2, keepdim=True)).to(device)


@dataclass(frozen=True)
class Average(Degradation):
    """The first ceil(H t / T) rows of an order, replaced by their means (Breitburd): for T = H one more row a step.

    The `order` is drawn for each image, or runs from the borders inwards, or from the middle outwards. With `shared`
    all images have the same random order.
    """

    axis: Annotated[str, Choice("rows", "columns")] = "rows"
    order: Annotated[str, Choice("random", "outside-in", "inside-out")] = "random"
    shared: Annotated[bool, Choice(False, True)] = False

    def draw(self, x0: Tensor, source: Source) -> Tensor:
        """Return (N, H) numbers, or (N, W) for columns, whose order is the order of the rows."""
        n, size = len(x0), x0.shape[-2 if self.axis == "rows" else -1]
        if self.order == "random":
            return _one_order(size, x0.device).expand(n, size) if self.shared else source.uniform(torch.Size((n, size)))
        inwards = torch.arange(size, device=x0.device)
        inwards = torch.minimum(inwards, size - 1 - inwards) + 0.5 * (2 * inwards >= size)
        return (inwards if self.order == "outside-in" else -inwards).expand(n, size)

    def __call__(self, x0: Tensor, step: Step, z: Tensor) -> Tensor:
        """Return x_t (N, C, H, W) of x0's dtype."""
        turn = z.argsort(stable=True).argsort()
        # 1e-4, because H t / T may come out just above a whole number; fractions are multiples of 1 / T, and T <= 5000.
        rows = turn < (step.time[:, None] * z.shape[1] - 1e-4).ceil()
        across = -1 if self.axis == "rows" else -2
        mean = x0.float().mean(across, keepdim=True).to(x0.dtype)
        return torch.where(rows[:, None].unsqueeze(across), mean, x0)

    def prior(self, shape: torch.Size, step: Step, source: Source) -> tuple[Tensor, Tensor]:
        """Return images of constant rows: U(0.1, 0.25) in the middle, U(0, 0.1) at the border, in units of the range.

        These are Breitburd's U(-0.4, -0.25) and U(-0.5, -0.4) for pixels from -0.5 to 0.5. The border is a seventh of
        the rows on either side, because MNIST's digits fill the middle 20 of 28 rows.
        """
        rows = self.axis == "rows"
        size = shape[-2 if rows else -1]
        at = torch.arange(size, device=source.generator.device)
        border = torch.minimum(at, size - 1 - at) < size // 7
        share = source.uniform(torch.Size((*shape[:2], size)))
        share = torch.where(border, 0.1 * share, 0.1 + 0.15 * share).unsqueeze(-1 if rows else -2)
        x_T = source.pixels.grey(share).expand(shape).contiguous()
        return x_T, self.draw(x_T, source)


@functools.lru_cache(maxsize=8)
def _one_order(size: int, device: torch.device) -> Tensor:
    """Return `size` random numbers, the same in every process."""
    return torch.rand(size, generator=torch.Generator().manual_seed(0)).to(device)
