"""Data: splits that are disjoint and complete, files that are verified, one clear line where they are not."""

import gzip
import hashlib
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from trainables.data import mnist as data
from trainables.data.images import DataError, Images
from trainables.data.load import load
from trainables.data.mnist import BUNDLED, CHECKSUMS, TEST_LABELS, read_idx, split_rows

SPLITS = ("train", "search", "confirm")


@pytest.fixture
def labels_folder(tmp_path: Path) -> Path:
    shutil.copy(BUNDLED / "mnist" / f"{TEST_LABELS}.gz", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("split", "count"), [("train", 50_000), ("search", 5_000), ("confirm", 5_000), ("test", 10_000)]
)
def test_each_split_has_its_size_and_type(mnist: Images, split: str, count: int) -> None:
    images, labels = getattr(mnist, split), getattr(mnist, f"{split}_labels")
    assert images.shape == (count, 1, 28, 28)
    assert labels.shape == (count,)
    assert (images.dtype, labels.dtype) == (np.uint8, np.int64)
    assert set(np.unique(labels)) == set(range(10))


def test_the_training_images_are_split_without_overlap_or_loss(mnist: Images) -> None:
    rows = np.concatenate([split_rows(split) for split in SPLITS])
    assert sorted(rows) == list(range(60_000))
    raw = read_idx(BUNDLED / "mnist", data.TRAIN_IMAGES, CHECKSUMS["mnist"][data.TRAIN_IMAGES])
    together = np.empty_like(raw)
    together[rows] = np.concatenate([getattr(mnist, split) for split in SPLITS])[:, 0]
    np.testing.assert_array_equal(together, raw)


def test_every_split_has_the_two_alternating_groups_of_writers_in_equal_parts() -> None:
    assert [np.mean(split_rows(split) % 2) for split in SPLITS] == [0.5, 0.5, 0.5]


def test_every_digit_is_a_group_of_its_own_and_labels_are_the_digits(mnist: Images) -> None:
    assert len(set(mnist.groups)) == len(mnist.groups) == len(mnist.train)
    assert mnist.classes == tuple(str(digit) for digit in range(10))
    assert mnist.shape == (1, 28, 28)


def test_overlays_are_the_fashion_test_images_in_two_disjoint_parts(mnist: Images) -> None:
    assert len(mnist.overlays_train) == 8_000
    assert len(mnist.overlays_sample) == 2_000
    raw = gzip.decompress((BUNDLED / "fashion_mnist" / f"{data.TEST_IMAGES}.gz").read_bytes())[16:]
    assert mnist.overlays_train.tobytes() + mnist.overlays_sample.tobytes() == raw


def test_idx_files_are_read_gzipped_or_not_in_the_shape_of_their_header(tmp_path: Path) -> None:
    expected = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    content = struct.pack(">BBBBIII", 0, 0, 8, 3, 2, 3, 4) + expected.tobytes()
    checksum = hashlib.sha256(content).hexdigest()
    (tmp_path / "plain").write_bytes(content)
    (tmp_path / "packed.gz").write_bytes(gzip.compress(content))
    for file in ("plain", "packed"):
        np.testing.assert_array_equal(read_idx(tmp_path, file, checksum), expected)


def flip_a_byte(packed: bytes) -> bytes:
    middle = len(packed) // 2
    return packed[:middle] + bytes([packed[middle] ^ 0xFF]) + packed[middle + 1 :]


DAMAGE = {
    "a flipped byte": (flip_a_byte, "cannot be read|SHA-256"),
    "cut short": (lambda packed: packed[: len(packed) // 2], "cannot be read"),
    "no gzip": (lambda packed: b"<html>404</html>", "cannot be read"),
    "an empty file": (lambda packed: b"", "starts with nothing"),
    "another kind of file": (lambda packed: gzip.compress(b"P5 28 28 255 "), "not with an idx header"),
    "other labels": (lambda packed: gzip.compress(gzip.decompress(packed)[:-1] + b"\x00"), "SHA-256"),
    "images missing at the end": (
        lambda packed: gzip.compress(gzip.decompress(packed)[:-100]),
        "its header says 10000",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_gives_one_line_that_names_it(labels_folder: Path, damage: str) -> None:
    path = labels_folder / f"{TEST_LABELS}.gz"
    change, reason = DAMAGE[damage]
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match=reason) as caught:
        read_idx(labels_folder, TEST_LABELS, CHECKSUMS["mnist"][TEST_LABELS])
    assert str(path) in str(caught.value)
    assert "replace it" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_without_the_files_gives_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz is missing.*four idx files$"):
        load("mnist", tmp_path)


def test_data_dir_comes_before_the_bundled_files(tmp_path: Path) -> None:
    for path in (BUNDLED / "mnist").glob("*.gz"):
        (tmp_path / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    np.testing.assert_array_equal(load("mnist", tmp_path).test, load("mnist").test)


def test_fashion_mnist_is_looked_for_in_debians_folder_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "DEBIAN_FASHION", tmp_path)
    with pytest.raises(DataError, match=str(tmp_path)):
        load("fashion-mnist")


def test_fashion_mnist_is_then_taken_from_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "DEBIAN_FASHION", tmp_path / "absent")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    raw = tmp_path / "diffusion-search" / "FashionMNIST" / "raw"  # as torchvision leaves it; here with wrong content
    raw.mkdir(parents=True)
    for file in CHECKSUMS["fashion-mnist"]:
        shape = (1, 28, 28) if "images" in file else (1,)
        header = struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape)
        (raw / file).write_bytes(header + bytes(int(np.prod(shape))))
    with pytest.raises(DataError, match=rf"{raw}.* has SHA-256"):
        load("fashion-mnist")


def test_without_any_source_of_fashion_mnist_one_line_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "DEBIAN_FASHION", tmp_path / "absent")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a file"))
    (tmp_path / "a file").touch()  # torchvision has nowhere to write, whether or not there is a network
    with pytest.raises(DataError, match=r"neither in .* nor can torchvision .*--data-dir") as caught:
        load("fashion-mnist")
    assert "\n" not in str(caught.value)
