"""What the tests share: real MNIST in small pieces, and sources of randomness made of it."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from trainables import data
from trainables.metrics import Reference
from trainables.source import PIXELS, Source

# One thread: sums come out in the same order wherever the tests run, and nobody else's cores are taken.
torch.set_num_threads(1)

MakeSource = Callable[..., Source]


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
