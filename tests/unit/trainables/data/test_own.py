"""Images of the user's own: every form gives the same data set, the cache is right, and the card says what was done."""

import gzip
import json
import shutil
import struct
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.helpers.own_images import CLASSES, pictures, save_all
from tests.unit.trainables.data.conftest import Read
from trainables.data import kept, survey
from trainables.data.__main__ import main
from trainables.data.card import describe, summary
from trainables.data.downloads import DOWNLOADS
from trainables.data.images import DataError, Images
from trainables.data.load import DATASETS, load
from trainables.data.mnist import BUNDLED, TEST_IMAGES
from trainables.data.options import NAMED
from trainables.data.splits import SPLITS


def contents(images: Images, split: str) -> set[bytes]:
    return {image.tobytes() for image in getattr(images, split)}


def everything(images: Images) -> Counter[tuple[bytes, str]]:
    """The images with the names of their classes."""
    pairs = [(split, row) for split in SPLITS for row in range(len(getattr(images, split)))]
    names = images.classes or ("",)
    return Counter(
        (getattr(images, split)[row].tobytes(), names[getattr(images, f"{split}_labels")[row]]) for split, row in pairs
    )


def expected(classes: dict[str, np.ndarray]) -> Counter[tuple[bytes, str]]:
    return Counter((image.transpose(2, 0, 1).tobytes(), name) for name, some in classes.items() for image in some)


PETS = {name: pictures(52, seed=number) for number, name in enumerate(CLASSES)}


def write_idx(path: Path, array: np.ndarray, packed: bool = False) -> None:
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    content = header + array.astype(np.uint8).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if packed else content)


def write_parquet(path: Path, images: np.ndarray, labels: list[object] | None, names: list[str] | None = None) -> None:
    """Write a file as Hugging Face does."""
    folder = path.parent / "png"
    save_all(folder, images)
    rows = [{"bytes": (folder / f"{row}.png").read_bytes(), "path": f"{row}.png"} for row in range(len(images))]
    shutil.rmtree(folder)
    table = pa.table({"image": rows, **({} if labels is None else {"label": labels})})
    if names is not None:
        features = {"label": {"names": names, "_type": "ClassLabel"}, "image": {"_type": "Image"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=50)


def test_class_folders_give_every_image_with_its_class(pets: Path, read: Read) -> None:
    images = read(pets)
    assert images.classes == CLASSES
    assert everything(images) == expected(PETS)
    assert images.shape == (3, 16, 16)
    assert (images.train.dtype, images.train_labels.dtype) == (np.uint8, np.int64)
    assert (images.name, images.labelled) == ("own", True)


def as_npz(folder: Path) -> Path:
    labels = np.repeat(list(CLASSES), 52)
    np.savez(folder / "pets.npz", images=np.concatenate(list(PETS.values())), labels=labels[:, None])
    return folder / "pets.npz"


def as_npz_channels_first(folder: Path) -> Path:
    images = np.concatenate(list(PETS.values())).transpose(0, 3, 1, 2)
    np.savez_compressed(folder / "pets.npz", x_train=images, y_train=np.repeat(list(CLASSES), 52))
    return (folder / "pets.npz").rename(folder / "PETS.NPZ")


def as_parquet(folder: Path) -> Path:
    labels: list[object] = np.repeat([0, 1, 2], 52).tolist()
    write_parquet(
        folder / "p" / "train-00000-of-00001.parquet", np.concatenate(list(PETS.values())), labels, [*CLASSES]
    )
    return folder / "p"


def as_one_parquet_with_texts(folder: Path) -> Path:
    labels: list[object] = np.repeat(list(CLASSES), 52).tolist()
    write_parquet(folder / "p" / "mine.parquet", np.concatenate(list(PETS.values())), labels)
    return folder / "p" / "mine.parquet"


def as_parquet_of_paths(folder: Path) -> Path:
    save_all(folder / "p" / "pictures", np.concatenate(list(PETS.values())))
    paths = [{"bytes": None, "path": f"pictures/{number}.png"} for number in range(3 * 52)]
    pq.write_table(pa.table({"image": paths, "label": np.repeat(list(CLASSES), 52)}), folder / "p" / "mine.parquet")
    return folder / "p"


def as_parquet_of_file_names(folder: Path) -> Path:
    save_all(folder / "p" / "pictures", np.concatenate(list(PETS.values())))
    paths = [str(folder / "p" / "pictures" / f"{number}.png") for number in range(3 * 52)]
    table = pa.table({"label": np.repeat(list(CLASSES), 52), "note": paths, "file_name": paths})
    pq.write_table(table, folder / "p" / "mine.parquet")
    return folder / "p" / "mine.parquet"


def as_wrapped_folders(folder: Path) -> Path:
    for name, some in PETS.items():
        save_all(folder / "archive" / "pets" / name / "deep" / "er", some)
    return folder / "archive"


def as_a_train_folder(folder: Path) -> Path:
    for name, some in PETS.items():
        save_all(folder / "set" / "Train" / name, some)
    return folder / "set"


def as_idx(folder: Path) -> Path:
    write_idx(folder / "i" / "train-images.idx4-ubyte", np.concatenate(list(PETS.values())))
    write_idx(folder / "i" / "train-labels.idx1-ubyte", np.repeat([0, 1, 2], 52))
    return folder / "i"


FORMS = (
    *(as_npz, as_npz_channels_first, as_parquet, as_one_parquet_with_texts, as_parquet_of_paths),
    *(as_parquet_of_file_names, as_wrapped_folders, as_a_train_folder),
)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_data_set(form: object, pets: Path, tmp_path: Path, read: Read) -> None:
    (tmp_path / "form").mkdir()
    images, other = read(pets), read(form(tmp_path / "form"))  # type: ignore[operator]
    assert other.classes == images.classes
    for split in SPLITS:
        np.testing.assert_array_equal(getattr(other, split), getattr(images, split))
        np.testing.assert_array_equal(getattr(other, f"{split}_labels"), getattr(images, f"{split}_labels"))
    assert other.checksums["images"] == images.checksums["images"]


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("default/train/0000.parquet", "default/test/0000.parquet"),  # Hugging Face's branch of converted sets
        ("all/partial-train/0000.parquet", "all/partial-test/0000.parquet"),
        ("data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"),
        ("test/pets-train.parquet", "test/pets_test0.parquet"),
        ("mine.parquet", "more/Testing/part.1.parquet"),
    ],
)
def test_the_part_of_a_parquet_file_is_in_its_name_or_in_that_of_its_folder(
    train: str, test: str, tmp_path: Path, read: Read
) -> None:
    root = tmp_path / "train-test" / "set"  # names above the path say nothing
    held_out = pictures(40, seed=9, channels=1)
    write_parquet(root / train, pictures(120, channels=1), None)
    write_parquet(root / test, held_out, None)
    assert contents(read(root), "test") == {image.tobytes() for image in held_out}


def test_idx_files_give_the_same_images_with_numbers_as_classes(pets: Path, tmp_path: Path, read: Read) -> None:
    images, other = read(pets), read(as_idx(tmp_path))
    assert other.classes == ("0", "1", "2")
    for split in SPLITS:
        np.testing.assert_array_equal(getattr(other, split), getattr(images, split))
        np.testing.assert_array_equal(getattr(other, f"{split}_labels"), getattr(images, f"{split}_labels"))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("names", ["{}-{}-idx{}-ubyte", "{}-{}.idx{}-ubyte", "kmnist-{}-{}-idx{}-ubyte"])
def test_idx_files_of_other_sets_are_known_by_their_names(names: str, packed: bool, tmp_path: Path, read: Read) -> None:
    train, test = pictures(120, channels=1)[..., 0], pictures(40, seed=9, channels=1)[..., 0]
    for part, some in (("train", train), ("t10k", test)):
        ending = ".gz" if packed else ""
        write_idx(tmp_path / f"{names.format(part, 'images', 3)}{ending}", some, packed)
        write_idx(tmp_path / f"{names.format(part, 'labels', 1)}{ending}", np.arange(len(some)) % 7, packed)
    images = read(tmp_path)
    assert (images.shape, images.classes) == ((1, 16, 16), tuple("0123456"))
    assert contents(images, "test") == {image.tobytes() for image in test}


def test_one_of_several_sets_of_idx_files_is_named_by_a_file_and_emnist_is_turned_upright(
    tmp_path: Path, read: Read
) -> None:
    digits, letters = pictures(150, channels=1)[..., 0], pictures(150, seed=5, channels=1)[..., 0]
    write_idx(tmp_path / "emnist-digits-train-images-idx3-ubyte", digits)
    write_idx(tmp_path / "emnist-letters-train-images-idx3-ubyte", letters)
    with pytest.raises(DataError, match="emnist-digits, emnist-letters; give one file"):
        read(tmp_path)
    images = read(tmp_path / "emnist-letters-train-images-idx3-ubyte")
    assert everything(images) == Counter((image.T.tobytes(), "") for image in letters)
    assert "turned upright" in images.facts["found"]


def test_kaggles_idx_files_in_folders_of_their_own_names_are_found_once(tmp_path: Path, read: Read) -> None:
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        array = pictures(150, channels=1)[..., 0] if "images" in name else np.arange(150) % 2
        write_idx(tmp_path / name / name, array)
        write_idx(tmp_path / name.replace("-idx", ".idx"), array)
    assert sum(everything(read(tmp_path)).values()) == 150


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [("train", None, "test"), ("Training", None, "Test"), ("TRAIN", "Valid", "TESTING"), ("train", "val", None)],
)
def test_folders_of_parts_are_known_in_any_case(
    train: str, val: str | None, test: str | None, tmp_path: Path, read: Read
) -> None:
    sizes = {train: 80, val: 40, test: 40}
    for seed, part in enumerate(name for name in (train, val, test) if name):
        for number, name in enumerate(CLASSES):
            save_all(tmp_path / part / name, pictures(sizes[part], seed=10 * seed + number))
    images = read(tmp_path)
    held_out = {name: len(getattr(images, name)) for name in SPLITS[1:]}
    if val and test:
        assert held_out == {"search": 60, "confirm": 60, "test": 120}
        assert len(images.train) == 240
    else:
        assert held_out == {"search": 32, "confirm": 32, "test": 120}
        assert len(images.train) == 176


def test_a_class_called_train_is_a_class(tmp_path: Path, read: Read) -> None:
    for number, name in enumerate(("bus", "train", "tram")):
        save_all(tmp_path / name, pictures(50, seed=number))
    assert read(tmp_path).classes == ("bus", "train", "tram")


def test_a_flat_folder_has_no_labels(tmp_path: Path, read: Read) -> None:
    save_all(tmp_path, pictures(150))
    images = read(tmp_path)
    assert (images.labelled, images.classes, images.name) == (False, (), "own-unlabelled")
    assert not images.train_labels.any()


def test_one_class_is_no_classes(tmp_path: Path, read: Read) -> None:
    save_all(tmp_path / "cats", pictures(150))
    images = read(tmp_path)
    assert (images.labelled, images.classes, images.name) == (False, ("cats",), "own-unlabelled")
    assert "none but cats" in describe(images)["classes"]


def test_classes_that_only_a_test_part_has_come_last(tmp_path: Path, read: Read) -> None:
    for part, names in (("train", ("b", "d")), ("test", ("a", "b", "c"))):
        for number, name in enumerate(names):
            save_all(tmp_path / part / name, pictures(60, seed=number + 7 * len(part)))
    images = read(tmp_path)
    assert images.classes == ("b", "d", "a", "c")
    assert set(images.train_labels) == {0, 1}
    assert set(images.test_labels) == {0, 2, 3}


def test_a_data_set_does_not_depend_on_the_names_of_files_or_its_place(pets: Path, read: Read) -> None:
    before = read(pets)
    for number, path in enumerate(sorted((pets / "cats").iterdir())):
        path.rename(path.with_name(f"renamed-{-number}.png"))
    moved = pets.rename(pets.with_name("moved"))
    after = read(moved)
    assert after.checksums == before.checksums
    np.testing.assert_array_equal(after.train, before.train)


def test_the_checksum_follows_contents_classes_and_options(pets: Path, read: Read) -> None:
    seen = [read(pets).checksums["images"], read(pets, image_size=20).checksums["images"]]
    (pets / "cats/3.png").rename(pets / "dogs 2/more.png")
    seen.append(read(pets).checksums["images"])
    save_all(pets / "cats", pictures(1, seed=77))
    seen.append(read(pets).checksums["images"])
    assert len(set(seen)) == 4


def test_a_second_reading_comes_from_the_cache_and_is_the_same(
    pets: Path, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = read(pets)

    def decoded_again(*arguments: object) -> None:
        raise AssertionError

    monkeypatch.setattr(kept, "decode", decoded_again)
    second = read(pets)
    assert second.checksums == first.checksums
    assert second.facts == first.facts
    for split in SPLITS:
        np.testing.assert_array_equal(getattr(second, split), getattr(first, split))
    with pytest.raises(AssertionError):
        read(pets, image_size=17)


def test_a_reading_that_is_killed_leaves_nothing_that_another_takes_for_whole(
    pets: Path, read: Read, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL while the file of the cache is being written: half of it is there under another name."""
    script = (
        "import os, sys, numpy as np\n"
        "from trainables.data.load import load\n"
        "def half(file, **arrays):\n"
        "    file.write(b'half'); file.flush(); os.kill(os.getpid(), 9)\n"
        "np.savez = half\n"
        f"load({str(pets)!r})\n"
    )
    killed = subprocess.run([sys.executable, "-c", script], check=False)
    assert killed.returncode == -9
    (left,) = (own_cache / "images").iterdir()
    assert left.name.startswith(".unfinished-")
    assert everything(read(pets)) == expected(PETS)
    monkeypatch.setattr("trainables.data.cache.ABANDONED", -1)
    read(pets, image_size=17)  # the next file that is written takes the rest away
    assert not left.exists()


def test_several_readers_at_once_get_the_same(pets: Path, read: Read, own_cache: Path) -> None:
    found: list[Images] = []
    threads = [threading.Thread(target=lambda: found.append(read(pets))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len({images.checksums["images"] for images in found}) == 1
    assert len(list((own_cache / "images").iterdir())) == 1


def test_an_unwritable_cache_costs_time_only(
    pets: Path, read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a file"))
    said: list[str] = []
    assert everything(read(pets, said)) == expected(PETS)
    assert "cannot be kept" in said[-1]


def test_reading_many_images_tells_how_far_it_is(pets: Path, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "TOLD_EVERY", 0.0)
    monkeypatch.setattr(survey, "CHUNK", 60)
    said: list[str] = []
    read(pets, said)
    assert [line.partition(": ")[2] for line in said[-3:]] == [f"{n} of 156 images" for n in (60, 120, 156)]


def test_few_samples_are_in_memory_at_a_time(pets: Path, monkeypatch: pytest.MonkeyPatch, read: Read) -> None:
    """Contents are read by chunk, and given up before the next one."""
    alive, most = 0, 0

    class Counted(bytes):
        def __new__(cls, content: bytes) -> "Counted":
            nonlocal alive, most
            alive += 1
            most = max(most, alive)
            return super().__new__(cls, content)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    read_bytes = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: Counted(read_bytes(path)))
    monkeypatch.setattr(survey, "CHUNK", 8)
    read(pets)
    assert 0 < most <= 8
    assert alive == 0


def test_own_fashion_is_not_morphed_into_itself(tmp_path: Path, read: Read) -> None:
    shutil.copy(BUNDLED / "fashion_mnist" / f"{TEST_IMAGES}.gz", tmp_path / "train-images-idx3-ubyte.gz")
    images, mnist = read(tmp_path), load("mnist")
    np.testing.assert_array_equal(images.overlays_train, mnist.test[:8_000])
    assert set(contents(images, "train")).isdisjoint(image.tobytes() for image in images.overlays_sample)


def test_other_images_are_morphed_into_fashion(pets: Path, read: Read) -> None:
    np.testing.assert_array_equal(read(pets).overlays_train, load("mnist").overlays_train)


def test_data_sets_with_a_name_are_those_of_the_options() -> None:
    assert (*DATASETS, *DOWNLOADS) == NAMED


def test_images_are_read_from_where_they_lie_now(pets: Path, tmp_path: Path, read: Read) -> None:
    before = read(pets)
    moved = pets.rename(tmp_path / "elsewhere")
    with pytest.raises(
        DataError, match="no such file or folder; give the path of your images, or --data-dir where those"
    ):
        read(pets)
    assert load(str(pets), moved).checksums == before.checksums


def test_the_command_says_what_a_data_set_holds_and_draws_it(
    pets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pets / "Thumbs.db").touch()
    (pets / "cats" / ".hidden.png").touch()
    assert main([str(pets), "--image-size", "20", "--grid", str(tmp_path / "grid.png")]) == 0
    out = capsys.readouterr().out
    for line in (
        "156 of 20 x 20 in colour",
        "3: cats 52, dogs 2 52, dogs 10 52",
        "train 60, search 32, confirm 32, test 32",
        "a folder of 3 class folders",
        "16 x 16, resized to 20 x 20",
        "Thumbs.db 1, hidden files 1",
    ):
        assert line in out
    with Image.open(tmp_path / "grid.png") as grid:
        assert grid.size == (2 * (12 * 21 + 1), 2 * (3 * 21 + 1))
    assert main(["mnist"]) == 0
    assert "70,000 of 28 x 28 in grey" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["/nowhere"], "trainables.data: /nowhere: there is no such file or folder"),
        (["."], ". holds no images (.png, .jpg and the like); it holds nothing"),
        (["mnits"], "'mnits' is no data set and no file or folder; known are mnist, fashion-mnist, fruits360"),
        (["mnist", "--background", "black"], "mnist is read as it was published; leave out --image-size"),
        ([".", "--image-size", "8"], "8: give a whole number from 16 to 256"),
        ([".", "--background", "teal"], "teal: give white, black or #rrggbb"),
    ],
)
def test_the_command_refuses_in_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        raise SystemExit(main(arguments))
    assert caught.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_the_summary_is_one_line(pets: Path, read: Read) -> None:
    said = "156 images of 16 x 16 in colour, 3 classes: 60 train, 32 search, 32 confirm, 32 test"
    assert summary(read(pets)) == said


def test_images_that_do_not_fit_into_memory_are_refused_before_they_are_read(
    pets: Path, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sysconf", lambda name: 4_096 if name == "SC_PAGE_SIZE" else 100)
    with pytest.raises(
        DataError, match="to read 156 images of 256 x 256 x 3 takes 0 GiB, this machine has 0; give a sm"
    ):
        read(pets, image_size=256)


@pytest.mark.parametrize(("name", "begins"), [("kmnist", ""), ("emnist-letters", "emnist-letters-")])
def test_a_download_is_read_from_where_torchvision_keeps_it(name: str, begins: str, own_cache: Path) -> None:
    folder = own_cache / "downloads" / name.partition("-")[0].upper() / "raw"
    train, test = pictures(120, 28, channels=1)[..., 0], pictures(40, 28, seed=9, channels=1)[..., 0]
    for part, some in (("train", train), ("t10k" if name == "kmnist" else "test", test)):
        write_idx(folder / f"{begins}{part}-images-idx3-ubyte", some)
        write_idx(folder / f"{begins}{part}-labels-idx1-ubyte", 1 + np.arange(len(some)) % 26)
    images = load(name)
    assert len(images.classes) == 26
    upright = test.swapaxes(1, 2) if begins else test
    assert contents(images, "test") == {image.tobytes() for image in upright}


@pytest.mark.parametrize("name", DOWNLOADS)
def test_without_a_network_one_line_says_what_to_give(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    with pytest.raises(
        DataError, match=f"^{name} cannot be downloaded .*; where there is no network, give --dat"
    ) as caught:
        load(name)
    assert "\n" not in str(caught.value)
