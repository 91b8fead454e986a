"""Images in an .npz file of numpy: MedMNIST's arrays, Keras's, or plain `images` and `labels`."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from trainables.data.groups import refuse
from trainables.data.images import DataError
from trainables.data.sources import PARTS, Array, Found, Part, found_arrays, labels_of, pixels_of, readable

# By part: the names of the arrays of images, each with that of its labels.
NAMES: dict[str, tuple[str, str, Part]] = {
    "images": ("images", "labels", "train"),
    **{f"{part}_images": (f"{part}_images", f"{part}_labels", of) for part, of in PARTS.items()},
    **{f"x_{part}": (f"x_{part}", f"y_{part}", of) for part, of in PARTS.items()},
}
EXPECTED = "train_images and train_labels (also val_..., test_...), or images and labels"


def find(path: Path, groups: str | None = None) -> Found | None:
    """Return what an .npz file holds; None for another path.

    Raises:
        DataError: the file is damaged, holds pickled objects or other arrays, or has labels for some of its parts only;
            or groups are asked for.
    """
    if path.suffix.lower() != ".npz" or not path.is_file():
        return None
    refuse(groups, path)
    arrays = _arrays(path)
    held = ", ".join(f"{array.name} {array.pixels.shape}" for array in arrays)
    return found_arrays(f"an .npz file with {held}", path, arrays)


def _arrays(path: Path) -> list[Array]:
    name = readable(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            there = set(file.files)
            found = [names for key, names in NAMES.items() if key in there]
            if not any(part == "train" for _, _, part in found):
                raise DataError(f"{name} holds {', '.join(sorted(there)) or 'nothing'}; give {EXPECTED}")
            if len({part for _, _, part in found}) < len(found):
                keys = ", ".join(key for key, _, _ in found)
                raise DataError(f"{name} holds one part under several names: {keys}; give {EXPECTED}")
            return [_array(name, images, file, labels, part) for images, labels, part in found]
    except DataError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        pickled = "it holds Python objects, which are never loaded" if "pickle" in str(error) else str(error)
        raise DataError(f"{name} cannot be read ({pickled}); give an .npz file with {EXPECTED}") from None


def _array(name: str, key: str, file: np.lib.npyio.NpzFile, labels: str, part: Part) -> Array:
    images = pixels_of(file[key], f"{key} of {name}")
    names = labels_of(file[labels], len(images), f"{labels} of {name}") if labels in file.files else None
    return Array(key, part, images, names)
