"""Images of a user's own, and folders of them."""

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("cats", "dogs 2", "dogs 10")  # in natural order


def pictures(count: int, side: int = 16, seed: int = 0, channels: int = 3) -> np.ndarray:
    """Different images of random pixels, uint8 (count, side, side, channels)."""
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, channels), np.uint8)


def bars(count: int, row: int, seed: int = 0, side: int = 16) -> np.ndarray:
    """Different dark images, uint8 (count, side, side, 1), with a bright bar at about a row."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 60, (count, side, side, 1), np.uint8)
    for image, shift in zip(images, rng.integers(0, 2, count), strict=True):
        image[row + shift : row + shift + 3] = 230
    return images


def save_all(folder: Path, images: np.ndarray, ending: str = "png") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images):
        Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).save(folder / f"{number}.{ending}")
