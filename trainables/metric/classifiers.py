"""The recipe of each data set's classifier, and where it lies: in the package, else in the user's cache."""

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from safetensors.numpy import load, save

from trainables.data.mnist import cache_dir
from trainables.domain import UsageError
from trainables.metric.classifier import Classifier, Weights

Stored = Literal["float32", "float16"]

SHIPPED = Path(__file__).parent / "weights"
CACHE_FORMAT = 1  # to be raised when splits or training change in a way that no recipe tells


class WeightsError(UsageError):
    """A classifier is missing, damaged or not good enough; one line that names it and what to do."""


@dataclass(frozen=True)
class Recipe:
    """How the classifier of a data set is trained, and how good it has to be."""

    required_accuracy: float
    """Share 0..1 of the images of `tested_on` that it has to get right."""
    tested_on: Literal["test", "confirm"] = "test"
    epochs: int = 6
    least_images: int = 0
    """More epochs where they would show fewer images than these."""
    batch: int = 128  # as in the literature
    peak_learning_rate: float = 2e-3  # of one cosine cycle; the literature's constant 2e-4 needs 21 epochs
    shift_pixels: int = 2  # digits are centred by mass, which moves them by about as much
    seed: int = 0
    stored: Stored = "float32"

    def epochs_of(self, count: int) -> int:
        """Epochs over `count` training images."""
        return max(self.epochs, math.ceil(self.least_images / count))


# MNIST: 99.58 % in about 240 CPU-seconds with bfloat16 matrix units; the literature reports 99.34 %.
# Fashion-MNIST: 91.1 %. Half precision, weights to one in 2,000, halves the file.
# Fruits-360's Test folder may hold other objects than Training, so other views of the same objects tell the accuracy.
RECIPES: dict[str, Recipe] = {
    "mnist": Recipe(required_accuracy=0.993),
    "fashion-mnist": Recipe(required_accuracy=0.90, stored="float16"),
    "fruits360": Recipe(required_accuracy=0.95, tested_on="confirm", least_images=12_000, stored="float16"),
}


def weights_file(name: str, checksums: Mapping[str, str]) -> Path:
    """The safetensors file of a data set's classifier, whether it exists or not; its card lies beside it (.json).

    In the user's cache its name depends on the data and on the recipe.

    Raises:
        WeightsError: an unknown data set.
    """
    if name not in RECIPES:
        raise WeightsError(f"there is no classifier for data set '{name}'; known are {', '.join(RECIPES)}")
    if shipped(name):
        return SHIPPED / f"{name}.safetensors"
    key = json.dumps([CACHE_FORMAT, name, sorted(own(checksums).items()), asdict(RECIPES[name])])
    return cache_dir() / "classifiers" / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.safetensors"


def shipped(name: str) -> bool:
    """Whether the classifier of a data set comes with the package."""
    return (SHIPPED / f"{name}.json").is_file()


def own(checksums: Mapping[str, str]) -> dict[str, str]:
    """The checksums of a data set's own files: without those of its overlays."""
    return {file: checksum for file, checksum in checksums.items() if not file.startswith("overlays/")}


def load_card(name: str = "mnist", checksums: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A classifier's card: sha256 of its weights, shape of its images, accuracy, and the recipe that made it.

    Raises:
        WeightsError: there is no classifier for this data set, or its card is damaged.
    """
    path = weights_file(name, checksums or {}).with_suffix(".json")
    if not path.is_file():
        raise WeightsError(
            f"{path} is missing; train the classifier: python -m trainables.metric.classifier --dataset {name}"
        )
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise WeightsError(f"{path} is not JSON ({error}); restore it or remove it") from None


def load_weights(name: str = "mnist", checksums: Mapping[str, str] | None = None) -> Weights:
    """The trained classifier of a data set, its SHA-256 verified; `checksums` is only needed where none is shipped.

    Raises:
        WeightsError: the weights are missing, or not those of the card.
    """
    card, path = load_card(name, checksums), weights_file(name, checksums or {})
    content = path.read_bytes() if path.is_file() else b""
    found = hashlib.sha256(content).hexdigest()
    if found != card["sha256"]:
        raise WeightsError(
            f"{path} has SHA-256 {found[:16]}.., its card says {card['sha256'][:16]}..; "
            f"restore it or train it again: python -m trainables.metric.classifier --dataset {name}"
        )
    channels, height, width = card["shape"]
    return Weights((channels, height, width), load(content), found)


def load_classifier(name: str = "mnist", checksums: Mapping[str, str] | None = None) -> Classifier:
    """The trained classifier of a data set in evaluation mode, as `load_weights` finds it.

    Raises:
        WeightsError: the weights are missing, or not those of the card.
    """
    return load_weights(name, checksums).classifier()


def pack(classifier: Classifier, stored: Stored) -> tuple[Weights, bytes]:
    """The weights as `stored`, and the bytes of their safetensors file."""
    tensors = {name: tensor.contiguous().numpy().astype(stored) for name, tensor in classifier.state_dict().items()}
    content = save(tensors)
    return Weights(classifier.shape, tensors, hashlib.sha256(content).hexdigest()), content


def write(content: bytes, card: dict[str, Any], out: Path) -> None:
    """Write `out` (safetensors) and its card beside it (JSON), each whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    for path, data in ((out, content), (out.with_suffix(".json"), (json.dumps(card, indent=2) + "\n").encode())):
        with tempfile.NamedTemporaryFile(dir=out.parent, delete=False) as file:
            file.write(data)
        os.chmod(file.name, 0o644)
        os.replace(file.name, path)
