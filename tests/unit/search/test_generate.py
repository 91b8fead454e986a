"""search/generate.py on a tiny run that was really trained."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from analysis.run.run import Run
from search import generate
from search.winner.image_files import in_label_rows, write_images
from tests.helpers.commands import refusal
from tests.helpers.trained_runs import OTHER, WINNER
from trainables.diffusion.generation import GREY


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_the_winner_is_drawn_with_a_row_for_each_class(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert generate.main([str(trained.path)]) == 0
    assert capsys.readouterr().out == (
        f"samples.png: 100 images of {WINNER}.1 (trained on 64 images; ancestral, 3 steps; seed 0)\n"
    )
    assert pixels(tmp_path / "samples.png").shape == (2 * (10 * 29 + 1), 2 * (10 * 29 + 1))


def test_folder_and_array_hold_the_same_images(trained: Run, tmp_path: Path) -> None:
    folder, array = tmp_path / "folder", tmp_path / "array.npz"
    for out in (folder, array):
        assert generate.main([str(trained.path), "--n", "300", "--seed", "5", "--out", str(out)]) == 0
    with np.load(array) as content:
        images, labels = content["images"], content["labels"]
    assert (images.shape, images.dtype) == ((300, 28, 28), np.uint8)
    assert len(np.unique(labels)) == 10
    rows = list(csv.DictReader((folder / "labels.csv").open()))
    assert [row["file"] for row in rows] == sorted(path.name for path in folder.glob("*.png"))
    assert [int(row["label"]) for row in rows] == labels.tolist()
    for image, row in zip(images, rows, strict=True):
        assert np.array_equal(pixels(folder / row["file"]), image)


def test_labels_seed_and_sampler_are_those_given(trained: Run, tmp_path: Path) -> None:
    def made(*arguments: str) -> dict[str, np.ndarray]:
        out = tmp_path / "a.npz"
        assert generate.main([str(trained.path), "--n", "4", "--out", str(out), *arguments]) == 0
        with np.load(out) as content:
            return dict(content)

    plain = made()
    assert np.array_equal(plain["images"], made("--seed", "0")["images"])
    assert not np.array_equal(plain["images"], made("--seed", "1")["images"])
    assert not np.array_equal(plain["images"], made("--set", "sampler.steps=9")["images"])
    assert made("--label", "8", "--label", "3")["labels"].tolist() == [8, 8, 3, 3]
    assert not np.array_equal(plain["images"], made("--set", "sampler.kind=cold2")["images"])


def test_a_model_without_classes_has_no_labels(trained: Run, tmp_path: Path) -> None:
    assert generate.main([str(trained.path), OTHER, "--n", "3", "--out", str(tmp_path / "new/folder")]) == 0
    assert sorted(path.name for path in (tmp_path / "new/folder").iterdir()) == ["0.png", "1.png", "2.png"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nobody"], f"keeps no model of the trial nobody; there are those of {WINNER}, {OTHER}, {WINNER}.0, "),
        (["--label", "12"], "label 12: the model does not know it; it knows "),
        ([OTHER, "--label", "1"], "label 1: the model knows no classes"),
        (["--set", "training.lr=0.01"], "--set training.lr: the model is trained; give fields of sampler only"),
        (["--set", "sampler.steps=0"], "sampler/steps=0"),
        (["--set", "sampler.step=5"], "unknown field sampler/step: did you mean sampler/steps"),
        (["--n", "0"], "--n 0: give a whole number from 1 to "),
        (["--out", "a.jpg"], "--out a.jpg: give a folder, a .png or a .npz"),
        (["--out", "missing/a.png"], "give a file in a folder that exists"),
        (["--out", "."], "it is there already; give a folder that is new or empty"),
    ],
    ids=str,
)
def test_a_usage_error_is_one_line_and_status_2(
    arguments: list[str], complaint: str, trained: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refusal(generate.main, [str(trained.path), *arguments], capsys)
    assert line.startswith("search/generate.py: ")
    assert complaint in line


def test_labels_begin_rows_that_are_filled_up() -> None:
    images = torch.arange(5, dtype=torch.uint8).view(5, 1, 1, 1).expand(5, 1, 2, 2)
    rows = in_label_rows(images, torch.tensor([7, 1, 7, 7, 1]))
    assert rows.shape == (2, 3, 1, 2, 2)
    assert rows[:, :, 0, 0, 0].tolist() == [[1, 4, GREY], [0, 2, 3]]
    assert in_label_rows(images, None).shape[:2] == (2, 3)
    many = in_label_rows(images[:1].expand(50, 1, 2, 2), torch.arange(50) // 25)
    assert many.shape[:2] == (4, 20)  # two rows a label


def test_colours_come_last_in_files(tmp_path: Path) -> None:
    images = torch.arange(2 * 3 * 4 * 5, dtype=torch.uint8).view(2, 3, 4, 5)
    write_images(tmp_path / "a.npz", [images[:1], images[1:]], 2, None, ())
    with np.load(tmp_path / "a.npz") as content:
        assert list(content) == ["images"]
        assert np.array_equal(content["images"], images.permute(0, 2, 3, 1).numpy())
    write_images(tmp_path / "folder", [images], 2, None, ())
    assert np.array_equal(pixels(tmp_path / "folder/1.png"), images[1].permute(1, 2, 0).numpy())
    assert Image.open(io.BytesIO((tmp_path / "folder/0.png").read_bytes())).mode == "RGB"
