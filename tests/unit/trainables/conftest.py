"""Sources of randomness made of real MNIST, and folders of fruits."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from tests.helpers.diffusion import MakeSource
from trainables.data.images import Images
from trainables.data.load import load
from trainables.diffusion.source import PIXELS, Source

# Data sets that are too large for the package: a folder beside the repository's, or where this variable says.
SHARED = Path(os.environ.get("DIFFUSION_SEARCH_DATA") or Path(__file__).parents[4] / "shared" / "data")

FRUITS = {"Training": {"Apple 2": 14, "Apple 10": 12, "Cherry 1": 12}, "Test": {"Plum 1": 6, "Cherry 1": 4}}


@pytest.fixture(scope="session")
def digits(mnist: Images) -> Tensor:
    """128 training images, uint8 (128, 1, 28, 28)."""
    return torch.from_numpy(mnist.train[:128].copy())


@pytest.fixture(scope="session")
def overlays(mnist: Images) -> Tensor:
    """96 Fashion-MNIST images, uint8 (96, 1, 28, 28)."""
    return torch.from_numpy(mnist.overlays_train[:96].copy())


@pytest.fixture(scope="session")
def make_source(digits: Tensor, overlays: Tensor) -> MakeSource:
    """Sources on the CPU; `size` (H, W) and `channels` of their training images."""

    def make(
        seed: int = 0, pixels: str = "-1..1", channels: int = 1, size: tuple[int, int] = (28, 28), count: int = 128
    ) -> Source:
        images = functional.interpolate(digits[:count].float(), size, mode="bilinear").to(torch.uint8)
        generator = torch.Generator().manual_seed(seed)
        return Source(generator, PIXELS[pixels], images.expand(-1, channels, -1, -1), overlays)

    return make


def photograph(path: Path, colour: tuple[int, int, int], size: int = 100) -> None:
    """Write a JPEG of a disc of one colour on white."""
    y, x = np.mgrid[:size, :size] - size / 2
    pixels = np.where((x**2 + y**2 < (0.4 * size) ** 2)[..., None], np.uint8(colour), np.uint8(255))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=95, subsampling=0)


@pytest.fixture(scope="session")
def fruits_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small folder in the layout of Fruits-360: red tells the object, from 60 on, green ten times the view."""
    folder = tmp_path_factory.mktemp("fruits")
    for part, objects in FRUITS.items():
        for name, views in objects.items():
            number = ["Apple 2", "Apple 10", "Cherry 1", "Plum 1"].index(name)
            for view in range(views):
                photograph(folder / part / name / f"{view}_100.jpg", (60 + 45 * number, 10 * view, 80 * number))
    return folder


@pytest.fixture(scope="session")
def fruits(fruits_folder: Path) -> Images:
    return load("fruits360", fruits_folder)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of large data sets; it may not exist."""
    return SHARED


@pytest.fixture(scope="session")
def real_fruits(shared: Path) -> Images:
    """1,980 photographs of Fruits-360, where there are any."""
    folder = shared / "fruits360_sample"
    if not folder.is_dir():
        pytest.skip(f"{folder} is missing; set DIFFUSION_SEARCH_DATA to a folder that has it")
    return load("fruits360", folder)
