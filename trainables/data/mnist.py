"""MNIST and Fashion-MNIST, in the fixed splits of this project, with their checksums.

MNIST and the test images of Fashion-MNIST are in the package, so that a search needs no download.
"""

import hashlib
from pathlib import Path

import numpy as np

from trainables.data.downloads import fetch_fashion_mnist
from trainables.data.idx import parse_idx
from trainables.data.images import DataError, Images, Overlays
from trainables.data.sources import first_line

BUNDLED = Path(__file__).parent / "datasets"
DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")  # of Debian's package dataset-fashion-mnist

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"

# SHA-256 of the decompressed files, because gzip headers vary.
CHECKSUMS: dict[str, dict[str, str]] = {
    "mnist": {
        TRAIN_IMAGES: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        TRAIN_LABELS: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        TEST_IMAGES: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        TEST_LABELS: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    "fashion-mnist": {
        TRAIN_IMAGES: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        TRAIN_LABELS: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        TEST_IMAGES: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        TEST_LABELS: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
}

CLOTHES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
CLASSES = {"mnist": tuple("0123456789"), "fashion-mnist": CLOTHES}

# Rows of the training images, modulo 24: one odd and one even for each split, because MNIST's rows alternate between
# two groups of writers with an FMD of 14, where random halves have 0.17. Source: tests/benchmarks/splits.py.
HELD_OUT = {"search": (5, 16), "confirm": (11, 22)}

OVERLAYS_TRAIN = 8_000  # of 10,000 overlays; sampling starts from the last 2,000, as in literature row B3


def read_mnist(name: str, data_dir: str | Path | None) -> Images:
    """Read MNIST or Fashion-MNIST from four idx files, gzipped or not; every image is a group of its own.

    The overlays of MNIST are the test images of Fashion-MNIST, and the other way around: a prior of the real images of
    the evaluation would score like a perfect model.
    """
    folder = _folder(name, data_dir)
    arrays = {file: read_idx(folder, file, checksum) for file, checksum in CHECKSUMS[name].items()}
    overlays = overlays_of("fashion-mnist" if name == "mnist" else "mnist")
    images, labels = arrays[TRAIN_IMAGES][:, None], arrays[TRAIN_LABELS].astype(np.int64)
    rows = {split: split_rows(split, len(images)) for split in ("train", "search", "confirm")}
    return Images(
        name=name,
        **{split: images[index] for split, index in rows.items()},
        **{f"{split}_labels": labels[index] for split, index in rows.items()},
        test=arrays[TEST_IMAGES][:, None],
        test_labels=arrays[TEST_LABELS].astype(np.int64),
        classes=CLASSES[name],
        groups=np.arange(len(rows["train"])),
        overlays_train=overlays.train,
        overlays_sample=overlays.sample,
        checksums={**CHECKSUMS[name], **overlays.checksums},
    )


def overlays_of(name: str) -> Overlays:
    """Return the test images of MNIST or Fashion-MNIST as overlays."""
    checksum = CHECKSUMS[name][TEST_IMAGES]
    images = read_idx(BUNDLED / name.replace("-", "_"), TEST_IMAGES, checksum)[:, None]
    return Overlays(images[:OVERLAYS_TRAIN], images[OVERLAYS_TRAIN:], {f"overlays/{TEST_IMAGES}": checksum})


def split_rows(split: str, count: int = 60_000) -> np.ndarray:
    """Return the rows int64 of `train`, `search` or `confirm` among the training images; no seed is involved."""
    remainder = np.arange(count) % 24
    if split == "train":
        return np.flatnonzero(~np.isin(remainder, sum(HELD_OUT.values(), ())))
    return np.flatnonzero(np.isin(remainder, HELD_OUT[split]))


def read_idx(folder: Path, file: str, checksum: str) -> np.ndarray:
    """Read one idx file of bytes, `file` or `file`.gz in `folder`, as a uint8 array of the shape in its header."""
    path = next((p for p in (folder / f"{file}.gz", folder / file) if p.is_file()), None)
    if path is None:
        raise DataError(f"{folder / file}.gz is missing; this folder should hold the data set's four idx files")
    array, content = parse_idx(path)
    found = hashlib.sha256(content).hexdigest()
    if found != checksum:
        raise DataError(
            f"{path} has SHA-256 {found[:16]}.., expected {checksum[:16]}..; replace it with an intact copy"
        )
    return array.copy()


def _folder(name: str, data_dir: str | Path | None) -> Path:
    if data_dir is not None:
        return Path(data_dir)
    if name == "mnist":
        return BUNDLED / "mnist"
    if DEBIAN_FASHION.is_dir():
        return DEBIAN_FASHION
    try:
        return fetch_fashion_mnist()
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"Fashion-MNIST is neither in {DEBIAN_FASHION} nor can torchvision download it "
            f"({first_line(error).rstrip(':')}); "
            "give --data-dir a folder with its four idx files, or install Debian's dataset-fashion-mnist"
        ) from None
