"""Fruits-360: every view once, in natural order, labelled by its folder; one clear line where a file is not right."""

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainables.data.images import DataError, Images
from trainables.data.load import load

SPLITS = ("train", "search", "confirm", "test")


@pytest.fixture
def folder(fruits_folder: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(fruits_folder, tmp_path / "copy"))


def shown(images: Images, split: str) -> list[tuple[int, int]]:
    """Object (0 to 3) and view of each image, read back from the colour of its middle."""
    red, green, _ = getattr(images, split)[:, :, 50, 50].astype(float).T
    return [(round((r - 60) / 45), round(g / 10)) for r, g in zip(red, green, strict=True)]


def test_images_are_rgb_bytes_and_labels_whole_numbers(fruits: Images) -> None:
    for split in SPLITS:
        images, labels = getattr(fruits, split), getattr(fruits, f"{split}_labels")
        assert images.shape == (len(labels), 3, 100, 100)
        assert (images.dtype, labels.dtype) == (np.uint8, np.int64)
    assert fruits.shape == (3, 100, 100)


def test_every_view_is_in_one_split_and_every_sixth_is_held_out(fruits: Images) -> None:
    held_out = {"search": (2, 8), "confirm": (5, 11)}
    views = [(fruit, view) for fruit, count in enumerate((14, 12, 12)) for view in range(count)]
    for split, wanted in held_out.items():
        assert shown(fruits, split) == [(fruit, view) for fruit, view in views if view in wanted]
    rest = [pair for pair in views if pair[1] not in sum(held_out.values(), ())]
    assert shown(fruits, "train") == rest
    assert shown(fruits, "test") == [(2, view) for view in range(4)] + [(3, view) for view in range(6)]


def test_labels_are_folders_in_natural_order_those_of_training_first(fruits: Images) -> None:
    assert fruits.classes == ("Apple 2", "Apple 10", "Cherry 1", "Plum 1")
    for split in SPLITS:
        assert [fruit for fruit, _ in shown(fruits, split)] == getattr(fruits, f"{split}_labels").tolist()


def test_images_of_one_object_are_a_group(fruits: Images) -> None:
    assert fruits.groups.dtype == np.int64
    assert Counter(fruits.groups.tolist()) == {0: 10, 1: 8, 2: 8}


def test_overlays_are_those_of_mnist(fruits: Images, mnist: Images) -> None:
    np.testing.assert_array_equal(fruits.overlays_train, mnist.overlays_train)
    assert fruits.checksums.items() >= {(k, v) for k, v in mnist.checksums.items() if k.startswith("overlays/")}


def test_the_checksum_follows_contents_and_names_but_not_the_place(fruits: Images, folder: Path) -> None:
    assert load("fruits360", folder).checksums == fruits.checksums
    first, second = folder / "Training/Apple 2/0_100.jpg", folder / "Training/Apple 2/1_100.jpg"
    first.write_bytes(first.read_bytes() + b"\0")
    changed = load("fruits360", folder)
    np.testing.assert_array_equal(changed.train, fruits.train)
    second.rename(second.with_name("100_100.jpg"))
    renamed = load("fruits360", folder)
    assert len({x.checksums["fruits360"] for x in (fruits, changed, renamed)}) == 3


def test_other_files_are_passed_over(fruits: Images, folder: Path) -> None:
    (folder / "Training" / "readme.md").write_text("not a fruit")
    (folder / "Training" / "Apple 2" / ".DS_Store").touch()
    (folder / "Training" / "Apple 2" / "0_50.jpg").touch()
    assert load("fruits360", folder).checksums == fruits.checksums


def test_a_grey_photograph_becomes_rgb(folder: Path) -> None:
    path = folder / "Test/Plum 1/0_100.jpg"
    with Image.open(path) as image:
        image.convert("L").save(path)
    grey = load("fruits360", folder).test[4]
    np.testing.assert_array_equal(grey[0], grey[2])


def save_small(path: Path) -> None:
    Image.new("RGB", (100, 99)).save(path)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "another size": (save_small, "has 100 x 99 pixels, expected 100 x 100"),
    "cut short": (lambda path: path.write_bytes(path.read_bytes()[:700]), "cannot be read as JPEG"),
    "empty": (lambda path: path.write_bytes(b""), "cannot be read as JPEG"),
    "another format": (lambda path: Image.new("RGB", (100, 100)).save(path, "PNG"), "cannot be read as JPEG"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "cannot be read as JPEG"),
}


@pytest.mark.parametrize(("change", "reason"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_photograph_gives_one_line_that_names_it(
    folder: Path, change: Callable[[Path], object], reason: str
) -> None:
    file = folder / "Test/Plum 1/5_100.jpg"
    change(file)
    with pytest.raises(DataError, match=reason) as caught:
        load("fruits360", folder)
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (
            "Training",
            r"Training is missing; --data-dir should be the folder of Fruits-360 that holds Training and Test",
        ),
        ("Test", r"Test is missing; --data-dir should be .*Kaggle moltean/fruits, GitHub organisation fruits-360"),
        ("Test/*", r"Test holds no files <object>/\*_100.jpg"),
        ("Training/*", r"Training holds no files <object>/\*_100.jpg"),
        ("Training/Apple 10/[1-9]*.jpg", r"Apple 10 holds 1 files \*_100.jpg; the splits need 6 or more"),
    ],
)
def test_a_folder_that_is_not_the_data_set_gives_one_line(folder: Path, missing: str, message: str) -> None:
    for path in folder.glob(missing):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(DataError, match=message) as caught:
        load("fruits360", folder)
    assert "\n" not in str(caught.value)


def test_without_a_folder_one_line_says_where_to_get_it() -> None:
    with pytest.raises(DataError, match=r"^fruits360 does not come along; give --data-dir .*moltean/fruits"):
        load("fruits360")


def test_real_photographs_show_fruits_on_white(real_fruits: Images) -> None:
    assert [len(getattr(real_fruits, split)) for split in SPLITS] == [960, 240, 240, 540]
    assert len(real_fruits.classes) == 33
    assert (np.bincount(real_fruits.groups) == 40).all()
    for split in SPLITS:
        images = getattr(real_fruits, split)
        assert np.median(images[:, :, [0, 0, -1, -1], [0, -1, 0, -1]]) > 250
        assert np.median(images[:, :, 40:60, 40:60]) < 200


def test_real_objects_differ_more_than_their_views(real_fruits: Images) -> None:
    colours = real_fruits.train[:, :, 40:60, 40:60].mean((2, 3))
    objects = np.stack([colours[real_fruits.groups == group].mean(0) for group in range(24)])
    within = (colours - objects[real_fruits.groups]).std()
    assert within < 0.7 * (objects - objects.mean(0)).std()
