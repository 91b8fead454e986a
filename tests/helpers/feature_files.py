"""Networks of features in files, as a user writes them."""

from pathlib import Path

import torch
from torch import Tensor, nn

SIDE = 4  # pixels of the squares of `Means`


class Means(nn.Module):
    """The means of squares of 4 x 4 pixels: of images of 28 pixels 49 features, which numpy can compute, too."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(x.mean(1), SIDE).flatten(1)


def write_features(path: Path, network: nn.Module | None = None, side: int = 28, *, dynamic: bool = True) -> Path:
    """Write a network, by default `Means`, for colour images of a side, and of any number if `dynamic`."""
    shapes = ({0: torch.export.Dim("n")},) if dynamic else None
    program = torch.export.export(network or Means(), (torch.rand(2, 3, side, side),), dynamic_shapes=shapes)
    torch.export.save(program, path)
    return path
