"""The classifier whose features the Frechet MNIST distance compares; `python -m trainables.features` trains it.

The literature's classifier (4 blocks of Conv2d kernel 5, LayerNorm, GELU with 32, 64, 128, 64 channels, adaptive
average pooling to 4x4, Linear 10), except that blocks 1 and 3 stride by 2: at full resolution scoring costs 13 times as
much (float32, channels_last: 175 against 2,150 images per CPU-second), and training 7 times.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors.torch import load as load_tensors
from torch import Tensor, nn

Layer = Literal["spatial_mean", "flat"]
WIDTHS: dict[Layer, int] = {"spatial_mean": 64, "flat": 1024}  # features of each layer
WEIGHTS = Path(__file__).parent / "weights"


class WeightsError(ValueError):
    """A classifier is missing or damaged; one line that names the file and what to do."""


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
    """A classifier into 10 classes of images (N, 1, 28, 28), for the features on the way to its logits."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            Block(1, 32, 14, 2), Block(32, 64, 14, 1), Block(64, 128, 7, 2), Block(128, 64, 7, 1)
        )
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.head = nn.Linear(1024, 10)
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, 10) of float images (N, 1, 28, 28) in [0, 1]."""
        return self.head(self.features(x, "flat"))

    def features(self, x: Tensor, layer: Layer) -> Tensor:
        """Float features (N, 64) for `spatial_mean`, (N, 1024) for `flat`, of float images (N, 1, 28, 28) in [0, 1]."""
        x = self.blocks(x.contiguous(memory_format=torch.channels_last))
        return x.mean((2, 3)) if layer == "spatial_mean" else self.pool(x).flatten(1)


def to_unit(images: np.ndarray | Tensor, device: torch.device) -> Tensor:
    """Float32 images (N, 1, 28, 28) in [0, 1] on `device`, from uint8 in 0..255.

    Raises:
        ValueError: the images are of another shape or type.
    """
    if tuple(images.shape[1:]) != (1, 28, 28) or str(images.dtype).removeprefix("torch.") != "uint8":
        raise ValueError(
            f"the classifier takes uint8 images (N, 1, 28, 28) in 0..255, given {images.dtype} {tuple(images.shape)}"
        )
    tensor = images if isinstance(images, Tensor) else torch.tensor(images)
    return tensor.to(device).float() / 255


@torch.no_grad()
def features(
    classifier: Classifier, images: np.ndarray | Tensor, layer: Layer = "flat", batch: int = 256
) -> np.ndarray:
    """Features float32 (N, 64) or (N, 1024) of uint8 images (N, 1, 28, 28), computed on the classifier's device.

    Always float32 (1,400 to 2,100 images per CPU-second), so that a score does not depend on the kind of CPU. Fast
    bfloat16, where there is one, would save half and move FMD by 0.001, a 300th of its standard error at 2,048 images.

    Raises:
        ValueError: the images are of another shape or type.
    """
    device = classifier.head.weight.device
    parts = [
        classifier.features(to_unit(images[i : i + batch], device), layer).cpu() for i in range(0, len(images), batch)
    ]
    return torch.cat(parts).numpy() if parts else np.empty((0, WIDTHS[layer]), np.float32)


def load_card(name: str = "mnist") -> dict[str, Any]:
    """The shipped classifier's card: sha256 of the weights, test_accuracy, and the recipe that made them.

    Raises:
        WeightsError: there is no classifier for this data set.
    """
    path = WEIGHTS / f"{name}.json"
    if not path.is_file():
        raise WeightsError(f"{path} is missing; train the classifier: python -m trainables.features --dataset {name}")
    return json.loads(path.read_text())


def load_classifier(name: str = "mnist") -> Classifier:
    """The shipped classifier of a data set in evaluation mode, its SHA-256 verified against its card.

    Raises:
        WeightsError: the weights are missing, or not those of the card.
    """
    card, path = load_card(name), WEIGHTS / f"{name}.safetensors"
    content = path.read_bytes() if path.is_file() else b""
    found = hashlib.sha256(content).hexdigest()
    if found != card["sha256"]:
        raise WeightsError(
            f"{path} has SHA-256 {found[:16]}.., its card says {card['sha256'][:16]}..; "
            f"restore it or train it again: python -m trainables.features --dataset {name}"
        )
    classifier = Classifier()
    classifier.load_state_dict(load_tensors(content))
    return classifier.eval().requires_grad_(False)


if __name__ == "__main__":
    from trainables.features_training import main

    raise SystemExit(main())
