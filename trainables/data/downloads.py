"""Data sets that torchvision downloads into the user's cache, each as a path of a form that `data.load` reads."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from trainables.data.cache import cache_dir, write_arrays
from trainables.data.images import DataError
from trainables.data.sources import first_line


def fetch(name: str) -> Path:
    """Return where a data set of `DOWNLOADS` lies, after a download at its first use.

    Raises:
        DataError: it cannot be downloaded.
    """
    try:
        return DOWNLOADS[name](_torchvision(), cache_dir() / "downloads")
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"{name} cannot be downloaded ({first_line(error).rstrip(':')}); "
            "where there is no network, give --dataset the path of its images"
        ) from None


def fetch_fashion_mnist() -> Path:
    """Return the folder of Fashion-MNIST's idx files, after a download at its first use.

    Raises:
        OSError, RuntimeError: it cannot be downloaded.
    """
    return Path(_torchvision().FashionMNIST(str(cache_dir()), download=True).raw_folder)


def _torchvision() -> Any:
    from torchvision import datasets  # up to 9 s, which only a download takes

    return datasets


def _cifar10(datasets: Any, root: Path) -> Path:
    parts = {part: datasets.CIFAR10(str(root), train=part == "train", download=True) for part in ("train", "test")}
    arrays = {f"{part}_images": one.data for part, one in parts.items()}
    labels = {f"{part}_labels": np.array(one.classes)[one.targets] for part, one in parts.items()}
    return _as_npz(root / "cifar10.npz", arrays | labels)


def _svhn(datasets: Any, root: Path) -> Path:
    parts = {part: datasets.SVHN(str(root / "svhn"), split=part, download=True) for part in ("train", "test")}
    arrays = {f"{part}_images": one.data for part, one in parts.items()}
    return _as_npz(root / "svhn.npz", arrays | {f"{part}_labels": one.labels for part, one in parts.items()})


def _kmnist(datasets: Any, root: Path) -> Path:
    return Path(datasets.KMNIST(str(root), download=True).raw_folder)


def _emnist_letters(datasets: Any, root: Path) -> Path:
    folder = Path(datasets.EMNIST(str(root), split="letters", download=True).raw_folder)
    return folder / "emnist-letters-train-images-idx3-ubyte"


def _as_npz(path: Path, arrays: dict[str, Any]) -> Path:
    if not path.is_file():
        write_arrays(path, **arrays)
    return path


DOWNLOADS: dict[str, Callable[[Any, Path], Path]] = {
    "cifar10": _cifar10,
    "kmnist": _kmnist,
    "emnist-letters": _emnist_letters,
    "svhn": _svhn,
}
