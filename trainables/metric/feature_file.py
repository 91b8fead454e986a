"""A network of the user's own, in a file, whose features rank trials in place of those of the classifier.

The file is a program of `torch.export`: it needs none of the code that it was made of, and runs on any device. It takes
float32 images (N, 3, H, W) in [0, 1] of the size of the data, and returns features (N, d).
"""

import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.export.passes import move_to_device_pass

from trainables.data.images import Images
from trainables.device import fastest
from trainables.domain import UsageError
from trainables.metric.feature_network import FeatureNetwork, Layer

LAYER: Layer = "file"  # the features of the file
BATCH = 32  # images at a time: of Inception, at 299 x 299 pixels, the largest layer of so many takes 180 MB
PROBES = 4  # real images by which a network is tried, beside a black one
UNLIKE = 0.01  # standard deviations of a feature by which the other images of a batch may change it
WRITING = 'docs/metric.md, "Features of your own choice", shows how to write one'


class FeatureFileError(UsageError):
    """A file is no network of features, or none of these images; one line that names it and what would be right."""


@dataclass(frozen=True)
class FeatureFile:
    """The content of a file, which travels with the metric, so that no other process and no resume reads the file."""

    name: str
    """Stem of the file's name, of letters, digits, ".", "_" and "-"; the version of the metric begins with it"""
    content: np.ndarray
    """uint8 (bytes,), which Ray's object store shares between processes without a copy"""
    sha256: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the content of a file.

        Raises:
            FeatureFileError: it cannot be read, or is no program of torch.export.
        """
        from torch.export.pt2_archive import is_pt2_package  # 4 s, which only a search by such a file takes

        try:
            content = path.read_bytes()
        except OSError as error:
            raise FeatureFileError(f"{path}: cannot be read ({error.strerror}); give a file of torch.export") from None
        if not is_pt2_package(content):
            raise FeatureFileError(f"{path}: is no program of torch.export.save; {WRITING}")
        return cls.of(path.stem, content)

    @classmethod
    def of(cls, stem: str, content: bytes) -> Self:
        """Return the file of a content, named after the stem of its name."""
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("._-") or "features"
        return cls(name, np.frombuffer(content, np.uint8), hashlib.sha256(content).hexdigest())

    def program(self, device: str | torch.device = "cpu") -> nn.Module:
        """Return the network on a device, in 1.4 s for Inception, and in 5 s more for the first of a process.

        Raises:
            FeatureFileError: it cannot be loaded, as one that a newer torch wrote.
        """
        try:
            loaded = torch.export.load(io.BytesIO(self.content.tobytes()))
        except Exception as error:  # torch raises whatever a part of the file leads to
            raise FeatureFileError(f"{self.name}: cannot be loaded ({_line(error)}); {WRITING}") from None
        # `to` would leave behind the tensors that the program makes while it runs.
        return move_to_device_pass(loaded, str(device)).module()


class FileNetwork(FeatureNetwork):
    """A classifier that has one more layer, "file": the features of a program."""

    def __init__(self, classifier: FeatureNetwork, program: nn.Module) -> None:
        super().__init__(*classifier.shape[:2])
        self.classifier, self.program, self.head = classifier, program, classifier.head

    def features(self, x: Tensor, layer: Layer) -> Tensor:
        """Return the features (N, d) of the program for "file", and else of the classifier, of images in [0, 1]."""
        if layer != LAYER:
            return self.classifier.features(x, layer)
        return torch.cat([self.program(part) for part in coloured(x).split(BATCH)])


def coloured(x: Tensor) -> Tensor:
    """Return images (N, 1, H, W) or (N, 3, H, W) with three channels; those of a grey image are equal."""
    return x.expand(-1, 3, -1, -1).contiguous()


def require_features(file: FeatureFile, images: Images) -> None:
    """Try a network on a few images of a data set, on a GPU where there is one.

    Raises:
        FeatureFileError: it refuses these images, or its features are not fit to be compared; the line says why.
    """
    device, black = fastest(), np.zeros((1, *images.shape), np.uint8)
    probes = torch.from_numpy(np.concatenate([images.search[:PROBES], black])).to(device)
    program, x, (height, width) = file.program(device), coloured(probes.float() / 255), probes.shape[2:]
    try:
        with torch.no_grad():
            together, few = program(x), program(x[:2])
    except Exception as error:  # the program is the user's own, and may raise anything
        right = f"export it for images (N, 3, {height}, {width}) with a dynamic N"
        raise FeatureFileError(f"--features {file.name}: {_line(error)}; {right}; {WRITING}") from None
    if (unfit := _unfit(together, few, len(x))) is not None:
        raise FeatureFileError(f"--features {file.name}: {unfit}")


def _unfit(together: object, few: object, count: int) -> str | None:
    """Return why answers are no features, of `count` images and of the first two of them; None where they are."""
    if not (isinstance(together, Tensor) and isinstance(few, Tensor)):
        return f"it returns a {type(together).__name__}; let it return one tensor, features (N, d)"
    shape, dtype = tuple(together.shape), str(together.dtype).removeprefix("torch.")
    if len(shape) != 2 or shape[0] != count or shape[1] < 2 or dtype != "float32":
        return f"of {count} images it returns {dtype} {shape}; let it return features float32 (N, d), d of 2 or more"
    if not together.isfinite().all():
        return "its features of real or black images are NaN or infinite; a Frechet distance takes finite ones"
    if (together == together[0]).all():
        return "its features of all images are the same; it takes float32 images in [0, 1]"
    if ((together[:2] - few).abs() > UNLIKE * together.std(0).max()).any():
        return "its features of an image depend on the others of a batch, or on chance; export it after .eval()"
    return None


def _line(error: Exception) -> str:
    """Return the message of an error in one line, the first 300 characters of it."""
    return shorten(str(error), 300, placeholder=" ...") or type(error).__name__
