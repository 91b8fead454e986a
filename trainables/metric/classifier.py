"""The classifier whose features FMD compares: its network, its recipe for each data set, and its files.

The network is the literature's (4 blocks of Conv2d kernel 5, LayerNorm, GELU with 32, 64, 128, 64 channels, adaptive
average pooling to 4x4, Linear 10), except that blocks 1 and 3 have stride 2: at full resolution scoring costs 13 times
as much (float32, channels_last: 175 against 2,150 images per CPU-second), and training 7 times. For images of more than
64 pixels every block has stride 2. `python -m trainables.metric.classifier_training` trains a classifier.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from safetensors.numpy import load, save
from torch import Tensor, nn

from trainables.data.cache import cache_dir, write_whole
from trainables.data.images import Images
from trainables.data.options import NAMED
from trainables.device import exact_float32
from trainables.domain import UsageError
from trainables.metric.feature_file import FeatureFile, FileNetwork
from trainables.metric.feature_network import FeatureNetwork, Layer, NetworkName, TaskName
from trainables.metric.residual import ResidualNetwork

Stored = Literal["float32", "float16"]
WIDTHS: dict[Layer, int] = {"spatial_mean": 64, "flat": 1024}  # features of each layer
CHANNELS = (32, 64, 128, 64)
SMALL = 64  # pixels; the largest images with the strides of MNIST
STRIDES_SMALL, STRIDES_LARGE = (2, 1, 2, 1), (2, 2, 2, 2)

BATCH = 256  # images whose features are computed together

SHIPPED = Path(__file__).parent / "weights"
CACHE_FORMAT = 1  # part of a cached file's name; raise it when splits or training change and no recipe does


class Block(nn.Module):
    """Conv2d with kernel 5, LayerNorm over (C, H, W), GELU: (N, C_in, H, W) to (N, C_out, H/stride, W/stride)."""

    def __init__(self, channels_in: int, channels_out: int, size: int, stride: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels_in, channels_out, 5, stride, padding=2)
        # Over all of (C, H, W), on the NHWC view, so that the result stays channels_last.
        self.norm = nn.LayerNorm([size, size, channels_out])

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, channels_last."""
        x = self.norm(self.convolution(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return nn.functional.gelu(x)


class Classifier(FeatureNetwork):
    """The classifier of FMD, of square images (N, channels, size, size)."""

    def __init__(self, channels: int = 1, size: int = 28, classes: int = 10) -> None:
        super().__init__(channels, size)
        blocks = []
        for channels_out, stride in zip(CHANNELS, STRIDES_SMALL if size <= SMALL else STRIDES_LARGE, strict=True):
            size = -(-size // stride)
            blocks.append(Block(channels, channels_out, size, stride))
            channels = channels_out
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.head = nn.Linear(WIDTHS["flat"], classes)
        self.to(memory_format=torch.channels_last)

    def features(self, x: Tensor, layer: Layer) -> Tensor:
        """Return features (N, 64) for "spatial_mean", (N, 1024) for "flat", of float images (N, C, H, W) in [0, 1]."""
        x = self.blocks(x.contiguous(memory_format=torch.channels_last))
        return x.mean((2, 3)) if layer == "spatial_mean" else self.pool(x).flatten(1)


Network = Classifier | ResidualNetwork
FEATURE_NETWORKS: dict[NetworkName, type[Network]] = {"plain": Classifier, "residual": ResidualNetwork}


@dataclass(frozen=True)
class Weights:
    """A trained classifier as numpy arrays, which Ray's object store shares between processes without a copy."""

    shape: tuple[int, int, int]
    """Channels, height and width of its images"""
    tensors: dict[str, np.ndarray]
    sha256: str
    """Of the safetensors file"""
    task: TaskName = "labels"
    """What it learned"""
    network: NetworkName = "plain"
    """Which network they are of"""
    file: FeatureFile | None = None
    """The network of the user's own, whose features rank trials in place of those of the classifier"""

    def classifier(self, device: str | torch.device = "cpu") -> FeatureNetwork:
        """Return the classifier on a device, in evaluation mode, float32, with the layer of the file if there is one.

        Raises:
            FeatureFileError: the file cannot be loaded.
        """
        network = FEATURE_NETWORKS[self.network]
        classifier = network(self.shape[0], self.shape[1], classes=len(self.tensors["head.bias"]))
        classifier.load_state_dict({name: torch.tensor(array) for name, array in self.tensors.items()})
        classifier = classifier.eval().requires_grad_(False).to(device)
        return classifier if self.file is None else FileNetwork(classifier, self.file.program(device))


@torch.no_grad()
def features(classifier: FeatureNetwork, images: np.ndarray | Tensor, layer: Layer = "flat") -> np.ndarray:
    """Return features float32 (N, d) of uint8 images (N, C, H, W), computed on the classifier's device.

    They are computed in float32 (1,400 to 2,100 images per CPU-second), also under autocast, and without TF32, so that
    a score does not depend on the device. Fast bfloat16 would halve the time and move FMD by 0.001, a 300th of its
    standard error at 2,048 images.
    """
    batches = [images[i : i + BATCH] for i in range(0, len(images), BATCH)] or [images]
    with torch.autocast(classifier.head.weight.device.type, enabled=False), exact_float32():
        parts = [classifier.features(classifier.to_unit(batch), layer).cpu() for batch in batches]
    return torch.cat(parts).numpy()


class WeightsError(UsageError):
    """A classifier is missing, damaged or not accurate enough; one line that names it and what to do."""


@dataclass(frozen=True)
class Recipe:
    """How the classifier of a data set is trained, and its required accuracy."""

    network: ClassVar[NetworkName] = "plain"

    required_accuracy: float
    """Share 0..1 of the images of `tested_on` that it must classify correctly"""
    good_accuracy: float = 0.0
    """Below this share there is a warning"""
    tested_on: Literal["test", "confirm"] = "test"
    epochs: int = 6
    least_images: int = 0
    """There are more epochs where `epochs` would show fewer images than these"""
    most_images: int | None = None
    """Training ends after so many"""
    task: TaskName = "labels"
    batch: int = 128  # as in the literature
    peak_learning_rate: float = 2e-3  # of one cosine cycle; the literature's constant 2e-4 needs 21 epochs
    shift_pixels: int = 2  # digits are centred by mass, which moves them by about as much
    seed: int = 0
    stored: Stored = "float32"

    def epochs_of(self, count: int) -> int:
        """Return the epochs over `count` training images, of which the last may be cut short."""
        epochs = max(self.epochs, math.ceil(self.least_images / count))
        return epochs if self.most_images is None else min(epochs, math.ceil(self.most_images / count))

    def steps_of(self, count: int) -> int:
        """Return the steps of training on `count` images."""
        steps = self.epochs_of(count) * max(1, count // self.batch)
        return steps if self.most_images is None else min(steps, math.ceil(self.most_images / self.batch))


@dataclass(frozen=True)
class OtherRecipe(Recipe):
    """How another network is trained, whose features give a second opinion on FMD."""

    network: ClassVar[NetworkName] = "residual"


# Of the user's own images: any classes are possible, so a low accuracy is told and not refused.
OWN: dict[str, Any] = {
    "required_accuracy": 0.0,
    "good_accuracy": 0.9,
    "tested_on": "confirm",
    "least_images": 20_000,
    "most_images": 100_000,
    "stored": "float16",
}

# What the other networks of a data set learn. Their seed differs from that of the classifier.
OTHER_TASKS: tuple[TaskName, ...] = ("labels", "rotations")
OTHER: dict[str, Any] = {"required_accuracy": 0.0, "stored": "float16", "seed": 1, "peak_learning_rate": 4e-3}
OTHER_SHIPPED: dict[str, Any] = {**OTHER, "epochs": 4}
OTHER_OWN: dict[str, Any] = {**OTHER, "tested_on": "confirm", "least_images": 20_000, "most_images": 50_000}


def other_name(name: str, task: TaskName) -> str:
    """Return the name of the other network of a data set that learned a task."""
    return f"{name}-residual-{task}"


# MNIST: 99.58 % in about 240 CPU-seconds with bfloat16 matrix units; the literature reports 99.34 %.
# Fashion-MNIST: 91.1 %. Half precision, exact to one in 2,000, halves the file.
# The Test folder of Fruits-360 may hold other objects than Training, so other views of the same objects are tested on.
RECIPES: dict[str, Recipe] = {
    "mnist": Recipe(required_accuracy=0.993),
    "fashion-mnist": Recipe(required_accuracy=0.90, stored="float16"),
    "fruits360": Recipe(required_accuracy=0.95, tested_on="confirm", least_images=12_000, stored="float16"),
    "own": Recipe(**OWN),
    "own-unlabelled": Recipe(**OWN, task="rotations"),
    **{
        other_name(name, task): OtherRecipe(**given, task=task)
        for name, given in {
            "mnist": OTHER_SHIPPED,
            "fashion-mnist": OTHER_SHIPPED,
            "fruits360": OTHER_OWN,
            "own": OTHER_OWN,
        }.items()
        for task in OTHER_TASKS
    },
    other_name("own-unlabelled", "rotations"): OtherRecipe(**OTHER_OWN, task="rotations"),
}


def weights_file(name: str, checksums: Mapping[str, str]) -> Path:
    """Return the path of a classifier's safetensors file, which may not exist; its card lies beside it (.json).

    It is in the package, or else in the user's cache under a name that depends on the data and on the recipe.
    """
    if name not in RECIPES:
        raise WeightsError(f"there is no classifier for data set '{name}'; known are {', '.join(RECIPES)}")
    if shipped(name):
        return SHIPPED / f"{name}.safetensors"
    key = json.dumps([CACHE_FORMAT, name, sorted(own(checksums).items()), asdict(RECIPES[name])])
    return cache_dir() / "classifiers" / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.safetensors"


def shipped(name: str) -> bool:
    """Return whether the classifier of a data set comes with the package."""
    return (SHIPPED / f"{name}.json").is_file()


def untrained(images: Images, *, others: bool) -> list[str]:
    """Return the names of the networks of a data set that are still to be trained, maybe with the others."""
    names = [images.name, *(other_name(images.name, task) for task in OTHER_TASKS)]
    known = [name for name in names[: None if others else 1] if name in RECIPES]
    return [name for name in known if not weights_file(name, images.checksums).is_file()]


def own(checksums: Mapping[str, str]) -> dict[str, str]:
    """Return the checksums of a data set's own files, without those of its overlays."""
    return {file: checksum for file, checksum in checksums.items() if not file.startswith("overlays/")}


def load_card(name: str = "mnist", checksums: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return a classifier's card: SHA-256 of its weights, shape of its images, accuracy, and its recipe."""
    path = weights_file(name, checksums or {}).with_suffix(".json")
    if not path.is_file():
        raise WeightsError(f"{path} is missing; train the classifier: {_command(name)}")
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise WeightsError(f"{path} is not JSON ({error}); restore it or remove it") from None


def load_weights(name: str = "mnist", checksums: Mapping[str, str] | None = None) -> Weights:
    """Return the trained classifier of a data set, its SHA-256 verified; `checksums` are needed where none is shipped.

    It raises WeightsError where the weights are missing, or not those of the card.
    """
    card, path = load_card(name, checksums), weights_file(name, checksums or {})
    content = path.read_bytes() if path.is_file() else b""
    found = hashlib.sha256(content).hexdigest()
    if found != card["sha256"]:
        raise WeightsError(
            f"{path} has SHA-256 {found[:16]}.., its card says {card['sha256'][:16]}..; "
            f"restore it or train it again: {_command(name)}"
        )
    channels, height, width = card["shape"]
    task, network = card.get("task", "labels"), RECIPES[name].network
    return Weights((channels, height, width), load(content), found, task, network)


def _command(name: str) -> str:
    dataset, _, task = name.partition("-residual-")
    if dataset in NAMED:
        other = f" --other {task}" if task else ""
        return f"python -m trainables.metric.classifier_training --dataset {dataset}{other}"
    return "a search on these images begins with it"


def pack(
    classifier: FeatureNetwork, stored: Stored, task: TaskName = "labels", network: NetworkName = "plain"
) -> tuple[Weights, bytes]:
    """Return the weights in the type `stored`, and the bytes of their safetensors file."""
    tensors = {name: tensor.contiguous().numpy().astype(stored) for name, tensor in classifier.state_dict().items()}
    content = save(tensors)
    return Weights(classifier.shape, tensors, hashlib.sha256(content).hexdigest(), task, network), content


def write(content: bytes, card: dict[str, Any], out: Path) -> None:
    """Write `out` (safetensors) and its card beside it (JSON), each whole or not at all."""
    write_whole(out, content)
    write_whole(out.with_suffix(".json"), (json.dumps(card, indent=2) + "\n").encode())
