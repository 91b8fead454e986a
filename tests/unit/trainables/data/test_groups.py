"""Groups of images: whatever the form of the data, none is in two splits, and names decide nothing else."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.helpers.own_images import pictures, save_all
from tests.unit.trainables.data.conftest import Read
from trainables.data.__main__ import main
from trainables.data.card import describe
from trainables.data.groups import together
from trainables.data.images import DataError, Images
from trainables.data.splits import LEAST, SPLITS, split

CLASSES = ("cats", "dogs")
GROUPS, EACH = 12, 14  # groups of a class, and images of a group


def photographs(seed: int = 0) -> dict[tuple[str, str], np.ndarray]:
    """Images by class and object."""
    return {
        (kind, f"object{number:02d}"): pictures(EACH, seed=100 * seed + GROUPS * row + number)
        for row, kind in enumerate(CLASSES)
        for number in range(GROUPS)
    }


def where(images: Images) -> dict[bytes, str]:
    """The split of each image, by its pixels; no content is in two."""
    found: dict[bytes, str] = {}
    for name in SPLITS:
        for one in getattr(images, name):
            assert found.setdefault(one.tobytes(), name) == name
    return found


def splits_of(images: Images, groups: Mapping[Any, np.ndarray]) -> dict[Any, set[str]]:
    """The splits that each group is in, empty for one that was left out."""
    there = where(images)
    contents = {key: [one.transpose(2, 0, 1).tobytes() for one in some] for key, some in groups.items()}
    return {key: {there[one] for one in some if one in there} for key, some in contents.items()}


def require_apart(images: Images, groups: Mapping[Any, np.ndarray]) -> None:
    """Each group is in one split as a whole, and each split is large enough."""
    assert all(len(names) == 1 for names in splits_of(images, groups).values())
    assert len(where(images)) == sum(map(len, groups.values()))
    assert all(len(getattr(images, name)) >= LEAST for name in SPLITS)


def save_in_folders(folder: Path, groups: Mapping[tuple[str, str], np.ndarray]) -> Path:
    for (kind, name), some in groups.items():
        save_all(folder / kind / name, some)
    return folder


def save_with_names(folder: Path, groups: Mapping[tuple[str, str], np.ndarray]) -> Path:
    for (kind, name), some in groups.items():
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for number, one in enumerate(some):
            Image.fromarray(one).save(folder / kind / f"{name}_{number}.png")
    return folder


def save_as_parquet(folder: Path, groups: Mapping[tuple[str, str], np.ndarray], column: str) -> Path:
    rows = []
    for (kind, name), some in groups.items():
        for number, one in enumerate(some):
            path = folder / "one.png"
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(one).save(path)
            rows.append({"image": path.read_bytes(), "label": kind, column: f"{kind} {name}", "number": number})
            path.unlink()
    pq.write_table(pa.Table.from_pylist(rows), folder / "train.parquet")
    return folder


def test_the_folder_of_an_image_is_its_group(tmp_path: Path, read: Read) -> None:
    groups = photographs()
    images = read(save_in_folders(tmp_path / "pets", groups), groups="folder")
    require_apart(images, groups)
    assert not all(len(names) == 1 for names in splits_of(read(tmp_path / "pets"), groups).values())


def test_a_regular_expression_on_the_path_makes_groups_across_classes(tmp_path: Path, read: Read) -> None:
    groups = photographs()
    pets = save_with_names(tmp_path / "pets", groups)
    across: dict[str, np.ndarray] = {}
    for (_, name), some in groups.items():
        across[name] = np.concatenate([across[name], some]) if name in across else some
    require_apart(read(pets, groups=r"object(\d+)"), across)


def test_each_form_of_the_same_groups_makes_the_same_splits_whatever_their_names(tmp_path: Path, read: Read) -> None:
    groups = photographs()
    renamed = {(kind, f"{GROUPS - int(name[6:]):02d}"): some for (kind, name), some in groups.items()}
    found = [
        read(save_in_folders(tmp_path / "folders", groups), groups="folder"),
        read(save_in_folders(tmp_path / "renamed", renamed), groups="folder"),
        read(save_with_names(tmp_path / "names", groups), groups=r"(.+)_\d+\.png"),
        read(save_as_parquet(tmp_path / "parquet", groups, "patient"), groups="patient"),
    ]
    assert len({images.checksums["images"] for images in found}) == 1
    for name in SPLITS:
        for other in found[1:]:
            np.testing.assert_array_equal(getattr(found[0], name), getattr(other, name))


def test_each_held_out_split_has_about_a_tenth_of_the_images_of_each_class(tmp_path: Path, read: Read) -> None:
    groups = {
        (kind, f"{number:03d}"): pictures(4 + number % 5, seed=200 * row + number)
        for row, kind in enumerate(CLASSES)
        for number in range(100)
    }
    images = read(save_in_folders(tmp_path / "pets", groups), groups="folder")
    require_apart(images, groups)
    for label, kind in enumerate(images.classes):
        tenth = sum(len(some) for (of, _), some in groups.items() if of == kind) / 10
        for name in SPLITS[1:]:
            assert abs(np.sum(getattr(images, f"{name}_labels") == label) - tenth) <= 8


def test_folds_are_folds_of_the_groups(tmp_path: Path, read: Read) -> None:
    groups = photographs()
    images = read(save_in_folders(tmp_path / "pets", groups), groups="folder")
    trained = {key for key, names in splits_of(images, groups).items() if names == {"train"}}
    assert np.unique(images.groups, return_counts=True)[1].tolist() == [EACH] * len(trained)
    again = read(tmp_path / "pets", groups="folder")  # from the cache
    np.testing.assert_array_equal(again.groups, images.groups)
    assert again.facts == images.facts


def test_a_group_of_train_that_another_part_has_is_left_out(tmp_path: Path, read: Read) -> None:
    groups = photographs()
    tested = dict(list(photographs(seed=1).items())[:4])
    save_in_folders(tmp_path / "pets" / "train", groups)
    save_in_folders(tmp_path / "pets" / "test", tested)
    images = read(tmp_path / "pets", groups="folder")
    there = splits_of(images, groups)
    assert {key for key, names in there.items() if not names} == tested.keys()
    assert all(len(there[key]) == 1 for key in groups.keys() - tested.keys())
    assert set.union(*splits_of(images, tested).values()) == {"test"}
    assert images.facts["groups"].endswith(f"; {4 * EACH} images left out, because another part has their group")


def test_copies_in_two_groups_keep_both_together(tmp_path: Path, read: Read) -> None:
    groups = photographs()
    keys = list(groups)
    for one, other in zip(keys[:-1:2], keys[1::2], strict=True):
        groups[other] = np.concatenate([groups[other], groups[one][:1]])
    pets = save_in_folders(tmp_path / "pets", groups)
    there = splits_of(read(pets, groups="folder"), groups)
    assert all(there[one] == there[other] for one, other in zip(keys[:-1:2], keys[1::2], strict=True))
    assert all(len(names) == 1 for names in there.values())


@pytest.mark.parametrize("seed", range(20))
def test_no_group_is_in_two_splits_whatever_the_sizes_the_parts_and_the_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = rng.geometric(1 / rng.integers(2, 40), rng.integers(60, 200)) + 12
    names = np.repeat(np.arange(len(sizes)), sizes)
    ids = rng.integers(0, 2**63, len(names)).astype(np.uint64)
    copied = rng.random(len(ids)) < 0.002
    ids[copied] = rng.choice(ids, copied.sum())
    labels = rng.integers(0, 4, len(sizes))[names]
    held_out = rng.choice(len(sizes), 12, replace=False)
    parts = np.where(np.isin(names, held_out[:6]), "test", np.where(np.isin(names, held_out[6:]), "val", "train"))
    parts = parts if seed % 2 else np.full(len(ids), "train")
    one = together(ids, [str(name) for name in names])
    rows = split(parts, labels, ids, one)
    there = [set(one[rows[name]].tolist()) for name in SPLITS]
    assert sum(map(len, there)) == len(set.union(*there))
    assert all(len(set(names[one == part].tolist())) >= 1 for part in np.unique(one))
    order = rng.permutation(len(ids))
    again = split(parts[order], labels[order], ids[order], together(ids[order], [f"x{names[i]}" for i in order]))
    for name in SPLITS:
        np.testing.assert_array_equal(ids[rows[name]], ids[order][again[name]])


def test_what_belongs_together_is_connected_by_groups_and_by_copies() -> None:
    contents = np.array([9, 4, 4, 7, 8, 7, 1], np.uint64)
    assert together(contents, ["a", "a", "b", "b", "c", "d", "e"]).tolist() == [4, 4, 4, 4, 8, 4, 1]


@pytest.mark.parametrize(("count", "fits"), [(3, False), (4, True), (5, True)])
def test_each_split_needs_a_group(tmp_path: Path, read: Read, count: int, fits: bool) -> None:
    groups = {(CLASSES[number % 2], f"{number}"): pictures(50, seed=number) for number in range(count)}
    pets = save_in_folders(tmp_path / "pets", groups)
    if fits:
        require_apart(read(pets, groups="folder"), groups)
        return
    said = f"{pets}: its 3 groups of 50 to 50 images cannot be dealt among train, search, confirm, test: "
    with pytest.raises(DataError, match=f"^{re.escape(said)}.*fewer than 32"):
        read(pets, groups="folder")


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("folder", r"--groups folder: .*0\.png lies in no folder below that of its class"),
        (r"(.+)_\d+", r"--groups \(\.\+\)_\\d\+: it captures nothing of cats/0\.png"),
        ("(a)(b)", r"--groups \(a\)\(b\): it has 2 groups; give folder, or a regular expression with one group"),
        ("patient", r"--groups patient: it has 0 groups; give folder, or"),
        ("(", r"--groups \(: no regular expression \(.*\); give folder, or"),
    ],
)
def test_a_rule_that_makes_no_groups_is_refused_in_a_line(pets: Path, read: Read, rule: str, said: str) -> None:
    with pytest.raises(DataError, match=f"^{said}") as error:
        read(pets, groups=rule)
    assert "\n" not in str(error.value)


def test_other_forms_say_why_they_have_no_groups(tmp_path: Path, read: Read) -> None:
    np.savez(tmp_path / "some.npz", images=pictures(200))
    with pytest.raises(DataError, match=r"^--groups patient: .*some\.npz has no names of images"):
        read(tmp_path / "some.npz", groups="patient")
    folder = save_as_parquet(tmp_path / "pets", photographs(), "patient")
    with pytest.raises(DataError, match=r"has no such column; give one of label, patient, number$"):
        read(folder, groups="object")


def test_the_command_shows_the_groups_and_the_checksum_follows_them(
    tmp_path: Path, read: Read, capsys: pytest.CaptureFixture[str]
) -> None:
    groups = photographs()
    pets = save_in_folders(tmp_path / "pets", groups)
    assert main([str(pets), "--groups", "folder"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"groups +24 by folder, of 14 to 14 images: train 1\d, search 3, confirm 3, test 3", shown)
    images = read(pets, groups="folder")
    assert describe(images)["groups"] in shown
    others = [read(pets), read(pets, groups=r"(object\d+)/")]
    assert len({json.dumps(one.checksums) for one in (images, *others)}) == 3
