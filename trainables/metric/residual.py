"""A residual network (He et al. 2016) whose features give a second opinion on FMD.

It has little in common with the classifier of the metric: 3 x 3 kernels, skip connections, BatchNorm in place of a
LayerNorm over the whole image, ReLU, and features that are means over the image.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from trainables.metric.feature_network import FeatureNetwork, Layer

WIDTH = 32  # channels of the stem
STAGES = ((32, 1), (64, 2), (96, 2))  # channels and stride of each; with 28 pixels at 14 x 14, 7 x 7 and 4 x 4
SMALL = 32  # pixels; larger images are made small twice as fast, so that training on them takes seconds, too


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions beside a skip: (N, C_in, H, W) to (N, C_out, H/stride, W/stride)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.first = _convolution(channels_in, channels_out, 3, stride)
        self.second = _convolution(channels_out, channels_out, 3, 1)
        is_same = channels_in == channels_out and stride == 1
        self.skip = nn.Identity() if is_same else _convolution(channels_in, channels_out, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        return torch.relu(self.skip(x) + self.second(torch.relu(self.first(x))))


class ResidualNetwork(FeatureNetwork):
    """A classifier of square images (N, channels, size, size)."""

    last: ClassVar[Layer] = "spatial_mean"

    def __init__(self, channels: int = 1, size: int = 28, classes: int = 10) -> None:
        super().__init__(channels, size)
        stride = 2 if size <= SMALL else 4
        self.stem = _convolution(channels, WIDTH, stride + 1, stride)
        blocks, width = [], WIDTH
        for channels_out, stride in STAGES:
            blocks.append(ResidualBlock(width, channels_out, stride))
            width = channels_out
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.head = nn.Linear(width, classes)
        self.to(memory_format=torch.channels_last)

    def features(self, x: Tensor, layer: Layer) -> Tensor:
        """Return features (N, 96) for "spatial_mean", (N, 1536) for "flat", of float images (N, C, H, W) in [0, 1]."""
        x = self.blocks(torch.relu(self.stem(x.contiguous(memory_format=torch.channels_last))))
        return x.mean((2, 3)) if layer == "spatial_mean" else self.pool(x).flatten(1)


def _convolution(channels_in: int, channels_out: int, kernel: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels_out))
