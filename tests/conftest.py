"""What the tests share: real MNIST in small pieces, sources of randomness made of it, and folders of fruits."""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from trainables.data import mnist as data
from trainables.diffusion.source import PIXELS, Source
from trainables.metric.fmd import Reference

# One thread: sums come out in the same order wherever the tests run, and nobody else's cores are taken.
torch.set_num_threads(1)

# What is printed is as wide wherever the tests run.
os.environ["COLUMNS"] = "120"

MakeSource = Callable[..., Source]

# Data sets that are too large for the package: a folder beside the repository's, or where this variable says.
SHARED = Path(os.environ.get("DIFFUSION_SEARCH_DATA") or Path(__file__).parents[2] / "shared" / "data")

FRUITS = {"Training": {"Apple 2": 14, "Apple 10": 12, "Cherry 1": 12}, "Test": {"Plum 1": 6, "Cherry 1": 4}}


@pytest.fixture(scope="session")
def mnist() -> data.Images:
    return data.load("mnist")


@pytest.fixture(scope="session")
def digits(mnist: data.Images) -> Tensor:
    """128 training images, uint8 (128, 1, 28, 28)."""
    return torch.from_numpy(mnist.train[:128].copy())


@pytest.fixture(scope="session")
def overlays(mnist: data.Images) -> Tensor:
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


@pytest.fixture(scope="session")
def small_reference(mnist: data.Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reference]:
    """The search's reference for 64 images, kept out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield Reference.build(mnist, n=64)


def photograph(path: Path, colour: tuple[int, int, int], size: int = 100) -> None:
    """Write a JPEG of a disc of one colour on white."""
    from PIL import Image

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
def fruits(fruits_folder: Path) -> data.Images:
    return data.load("fruits360", fruits_folder)


@pytest.fixture(scope="session")
def object_storage() -> Iterator[str]:
    """The address of a server that speaks S3."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def bucket(object_storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URI of an empty bucket; the copies of runs lie in a folder of the test's own."""
    import boto3

    settings = {"ENDPOINT_URL": object_storage, "DEFAULT_REGION": "us-east-1"}
    for name, value in {**settings, "ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    name = f"bucket-{uuid.uuid4().hex}"
    boto3.client("s3").create_bucket(Bucket=name)
    return f"s3://{name}"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of large data sets; it may not exist."""
    return SHARED


@pytest.fixture(scope="session")
def real_fruits(shared: Path) -> data.Images:
    """1,980 photographs of Fruits-360, where there are any."""
    folder = shared / "fruits360_sample"
    if not folder.is_dir():
        pytest.skip(f"{folder} is missing; set DIFFUSION_SEARCH_DATA to a folder that has it")
    return data.load("fruits360", folder)
