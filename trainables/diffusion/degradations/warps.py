"""Degradations that move pixels: elastic deformation."""

import functools
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional

from trainables.diffusion.degradations.base import Degradation
from trainables.diffusion.schedules import Step
from trainables.diffusion.source import Source
from trainables.domain import Log


@dataclass(frozen=True)
class Elastic(Degradation):
    """x_t(p) = x0(p + s d(p)), s = `step.sigma`, d smooth random displacements (Simard et al. 2003; tried by Grivot).

    d is uniform noise, blurred by `sigma` pixels and multiplied by `alpha`, as in torchvision's ElasticTransform. Its
    root mean square is 0.08 alpha / sigma pixels in each direction, 3 by default. The border's pixels extend outwards.
    """

    alpha: Annotated[float, Log(20, 500)] = 150.0
    sigma: Annotated[float, Log(2, 8)] = 4.0

    def draw(self, x0: Tensor, source: Source) -> Tensor:
        """Return displacements (N, H, W, 2) along x and y, in units of half the width and half the height."""
        n, _, height, width = x0.shape
        noise = source.uniform(torch.Size((n, 2, height, width))) * 2 - 1
        down, across = (_blur_matrix(size, self.sigma, x0.device) for size in (height, width))
        smooth = self.alpha * (down @ noise @ across.T)
        # Two divisions by numbers: making a tensor of both sizes waits for a GPU, and cannot be recorded in a graph.
        return torch.stack([smooth[:, 0] / width, smooth[:, 1] / height], -1)

    def __call__(self, x0: Tensor, step: Step, z: Tensor) -> Tensor:
        """Return x_t (N, C, H, W) of x0's dtype, interpolated bilinearly."""
        height, width = x0.shape[-2:]
        strength = step.over(x0).sigma
        grid = torch.stack(
            [_centres(width, z).expand(height, width), _centres(height, z)[:, None].expand(height, width)], -1
        )
        moved = functional.grid_sample(x0.float(), grid + strength * z, padding_mode="border", align_corners=False)
        return torch.where(strength > 0, moved.to(x0.dtype), x0)


def _centres(size: int, like: Tensor) -> Tensor:
    """Return the centres of the pixels (size,), where the image spans -1 to 1."""
    edge = 1 - 1 / size
    return torch.linspace(-edge, edge, size, device=like.device, dtype=like.dtype)


@functools.lru_cache(maxsize=8)
def _blur_matrix(size: int, sigma: float, device: torch.device) -> Tensor:
    """Return the matrix (size, size) of a Gaussian blur along one axis, cut off at 4 sigma, as in ElasticTransform.

    Pixels outside mirror those inside, with the outermost not repeated; a kernel wider than the image mirrors again.
    """
    radius = int(8 * sigma + 1) // 2
    offset = torch.arange(-radius, radius + 1)
    kernel = torch.softmax(-0.5 * (offset.double() / sigma) ** 2, 0)
    period = max(2 * (size - 1), 1)
    at = (torch.arange(size)[:, None] + offset).remainder(period)
    at = torch.minimum(at, period - at) if size > 1 else torch.zeros_like(at)
    matrix = torch.zeros(size, size, dtype=torch.float64).scatter_add_(1, at, kernel.expand(size, -1).contiguous())
    return matrix.float().to(device)
