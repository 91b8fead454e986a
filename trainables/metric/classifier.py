"""The classifier whose features FMD compares; `python -m trainables.metric.classifier` trains it.

The literature's classifier (4 blocks of Conv2d kernel 5, LayerNorm, GELU with 32, 64, 128, 64 channels, adaptive
average pooling to 4x4, Linear 10), except that blocks 1 and 3 stride by 2: at full resolution scoring costs 13 times as
much (float32, channels_last: 175 against 2,150 images per CPU-second), and training 7 times. Large images, of more than
64 pixels, are halved by every block.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

Layer = Literal["spatial_mean", "flat"]
WIDTHS: dict[Layer, int] = {"spatial_mean": 64, "flat": 1024}  # features of each layer
CHANNELS = (32, 64, 128, 64)
SMALL = 64  # pixels; up to here as for MNIST
STRIDES_SMALL, STRIDES_LARGE = (2, 1, 2, 1), (2, 2, 2, 2)


class Block(nn.Module):
    """Conv2d kernel 5, LayerNorm over (C, H, W), GELU: (N, C_in, H, W) to (N, C_out, H/stride, W/stride)."""

    def __init__(self, channels_in: int, channels_out: int, size: int, stride: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels_in, channels_out, 5, stride, padding=2)
        # Over all of (C, H, W), written on the NHWC view: the same numbers, and channels_last is kept.
        self.norm = nn.LayerNorm([size, size, channels_out])

    def forward(self, x: Tensor) -> Tensor:
        """The block's output, channels_last."""
        x = self.norm(self.convolution(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return nn.functional.gelu(x)


class Classifier(nn.Module):
    """A classifier of square images (N, channels, size, size), for the features on the way to its logits."""

    def __init__(self, channels: int = 1, size: int = 28, classes: int = 10) -> None:
        super().__init__()
        self.shape = (channels, size, size)
        blocks = []
        for channels_out, stride in zip(CHANNELS, STRIDES_SMALL if size <= SMALL else STRIDES_LARGE, strict=True):
            size = -(-size // stride)
            blocks.append(Block(channels, channels_out, size, stride))
            channels = channels_out
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.head = nn.Linear(WIDTHS["flat"], classes)
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes) of float images (N, C, H, W) in [0, 1]."""
        return self.head(self.features(x, "flat"))

    def features(self, x: Tensor, layer: Layer) -> Tensor:
        """Float features (N, 64) for `spatial_mean`, (N, 1024) for `flat`, of float images (N, C, H, W) in [0, 1]."""
        x = self.blocks(x.contiguous(memory_format=torch.channels_last))
        return x.mean((2, 3)) if layer == "spatial_mean" else self.pool(x).flatten(1)

    def to_unit(self, images: np.ndarray | Tensor) -> Tensor:
        """Float32 images (N, C, H, W) in [0, 1] on the classifier's device, from uint8 in 0..255.

        Raises:
            ValueError: the images are of another shape or type.
        """
        if tuple(images.shape[1:]) != self.shape or str(images.dtype).removeprefix("torch.") != "uint8":
            expected = ", ".join(map(str, self.shape))
            raise ValueError(
                f"the classifier takes uint8 images (N, {expected}) in 0..255, "
                f"given {images.dtype} {tuple(images.shape)}"
            )
        tensor = images if isinstance(images, Tensor) else torch.tensor(images)
        return tensor.to(self.head.weight.device).float() / 255


@dataclass(frozen=True)
class Weights:
    """A trained classifier as numpy arrays, which Ray's object store shares between processes without a copy."""

    shape: tuple[int, int, int]
    """Channels, height and width of the images it takes."""
    tensors: dict[str, np.ndarray]
    sha256: str
    """Of the file they were written to."""

    def classifier(self) -> Classifier:
        """The classifier in evaluation mode, float32, on the CPU."""
        classifier = Classifier(self.shape[0], self.shape[1], classes=len(self.tensors["head.bias"]))
        classifier.load_state_dict({name: torch.tensor(array) for name, array in self.tensors.items()})
        return classifier.eval().requires_grad_(False)


@torch.no_grad()
def features(
    classifier: Classifier, images: np.ndarray | Tensor, layer: Layer = "flat", batch: int = 256
) -> np.ndarray:
    """Features float32 (N, 64) or (N, 1024) of uint8 images (N, C, H, W), computed on the classifier's device.

    Always float32 (1,400 to 2,100 images per CPU-second), so that a score does not depend on the kind of CPU. Fast
    bfloat16, where there is one, would save half and move FMD by 0.001, a 300th of its standard error at 2,048 images.

    Raises:
        ValueError: the images are of another shape or type.
    """
    parts = [
        classifier.features(classifier.to_unit(images[i : i + batch]), layer).cpu()
        for i in range(0, len(images), batch)
    ]
    return torch.cat(parts).numpy() if parts else np.empty((0, WIDTHS[layer]), np.float32)


if __name__ == "__main__":
    from trainables.metric.classifier_training import main

    raise SystemExit(main())
