"""Searches on a user's own images: what is refused, what is fixed, and what a run remembers of them."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from analysis.run.run import Run
from search import run as command
from search.beginning import without_classes
from search.command_line import parse
from search.declaration import SettingsError
from search.earlier.earlier_runs import with_trained
from search.machine import Machine
from search.settings import Settings
from search.space.load import known, load
from tests.helpers.own_images import bars, save_all
from trainables.data.options import ReadOptions

LAPTOP = Machine(cpus=2, gpus=0)
HOW: dict[str, Any] = {"image_size": 20, "channels": 1, "background": "#102030", "skip_damaged": True}


@pytest.fixture
def flat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A folder of images without labels, by a path from the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    save_all(tmp_path / "my images", bars(130, 3))
    return "my images"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--image-size", "15"], "--image-size 15: give a whole number from 16 to 256"),
        (["--image-size", "257"], "--image-size 257: give a whole number from 16 to 256"),
        (["--image-size", "large"], "--image-size large: give a whole number from 16 to 256"),
        (["--channels", "2"], "--channels 2: give 1 for grey, or 3 for colour"),
        (["--background", "teal"], "--background teal: give white, black or #rrggbb"),
        (["--background", "#12345"], "--background #12345: give white, black or #rrggbb"),
    ],
)
def test_options_of_images_are_checked(words: list[str], message: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        parse(["--space", "quality", *words])
    assert str(refusal.value) == message


def test_a_run_remembers_the_whole_path_and_how_the_images_were_read(flat: str, tmp_path: Path) -> None:
    settings = Settings.resolve({"dataset": flat, **HOW}, "quality", "", LAPTOP)
    assert settings.dataset == str(tmp_path / flat)
    saved = json.loads(json.dumps(settings.saved()))
    assert ReadOptions.of(saved) == ReadOptions(**HOW)
    assert Settings.resume(saved, {"storage_path": settings.storage_path}, LAPTOP) == settings
    without = {name: value for name, value in saved.items() if name not in HOW}  # of an earlier version
    assert ReadOptions.of(without) == ReadOptions()
    assert Settings.resolve({"dataset": "mnist"}, "quality", "", LAPTOP).dataset == "mnist"


@pytest.mark.parametrize("how", [HOW, {}])
def test_search_json_repeats_a_search_on_the_same_images(how: dict[str, Any], flat: str, tmp_path: Path) -> None:
    settings = Settings.resolve({"dataset": flat, **how}, "quality", "", LAPTOP)
    (tmp_path / "search.json").write_text(json.dumps({"settings": settings.saved()}))
    again = Settings.resolve(parse(["--config", "search.json"]), "quality", "", LAPTOP)
    assert (again.dataset, ReadOptions.of(vars(again))) == (settings.dataset, ReadOptions.of(vars(settings)))


def test_a_data_set_with_a_name_comes_before_a_folder_of_that_name(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mnist").mkdir()
    assert Settings.resolve({"dataset": "mnist"}, "quality", "", LAPTOP).dataset == "mnist"
    assert Settings.resolve({"dataset": "./mnist"}, "quality", "", LAPTOP).dataset == str(tmp_path / "mnist")


def test_images_lie_on_a_disk() -> None:
    with pytest.raises(SettingsError, match="--dataset s3://bucket/images: give a folder"):
        Settings.resolve({"dataset": "s3://bucket/images"}, "quality", "", LAPTOP)


def test_a_folder_whose_name_is_no_utf8_is_refused_in_one_line(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkdir(b"caf\xe9")
    with pytest.raises(SettingsError, match=r"^--dataset 'caf\?': its name cannot be printed everywhere; rename it$"):
        Settings.resolve({"dataset": os.fsdecode(b"caf\xe9")}, "quality", "", LAPTOP)


@pytest.mark.parametrize("told", ["", "none", "cluster"])
def test_without_labels_clusters_stand_in_for_classes_unless_something_else_is_asked_for(told: str) -> None:
    fixed = {"training.lr": "0.01", **({"network.conditioning": told} if told else {})}
    found = without_classes({"fixed": fixed}, "x", load("quality", fixed))["fixed"]
    assert found == {"training.lr": "0.01", "network.conditioning": told or "cluster"}


def test_without_labels_classes_are_refused() -> None:
    fixed = {"network.conditioning": "class"}
    with pytest.raises(SettingsError, match=r"--set network.conditioning=class: x has no labels of two classes"):
        without_classes({"fixed": fixed}, "x", load("quality", fixed))


@pytest.mark.parametrize("name", known())
def test_every_space_can_be_searched_without_labels_and_keeps_its_starting_points(name: str) -> None:
    whole = load(name, {})
    given = without_classes({"fixed": {}}, "x", whole)
    fixed = load(name, given["fixed"])
    assert fixed.names
    assert bool(fixed.starts) == bool(whole.starts)
    for start in fixed.starts:
        drawn = fixed.nearest(start)
        assert drawn is None or drawn[1]["network/conditioning"] == given["fixed"].get("network.conditioning", "none")
    assert all(fixed.starts.count(start) == 1 for start in fixed.starts)


def test_a_dry_run_shows_the_card_and_draws_clusters(flat: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--space", "quality", "--dataset", flat, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "130 of 16 x 16 in grey" in out
    assert "none: the metric learns rotations, and spaces with classes have clusters in their place" in out
    assert "its 2 networks learn these images first" in out
    assert "network/conditioning = cluster" in out
    assert "conditioning = class" not in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--set", "network.conditioning=class"],
            "my images has no labels of two classes or more; use network.conditioning=cluster",
        ),
        (["--set", "sampler.guidance=0.5"], "sampler/guidance=0.5: the network knows no labels"),
    ],
)
def test_what_needs_classes_is_refused_without_them(
    words: list[str], message: str, flat: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--space", "degradations", "--dataset", flat, *words, "--dry-run"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_options_of_images_are_refused_for_data_sets_with_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--space", "widths", "--image-size", "20", "--dry-run"]) == 2
    assert "mnist is read as it was published; leave out --image-size" in capsys.readouterr().err


def test_a_trained_trial_brings_its_images_along(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "mine")
    saved = {"dataset": "/images", "data_dir": None, **HOW}
    run.write_settings({"settings": saved})
    (tmp_path / "mine").joinpath("checkpoints").mkdir(exist_ok=True)
    with pytest.raises(SettingsError, match="--image-size does not go with --from"):
        with_trained({"trained": (run.uri, "000-a"), "fixed": {}, "image_size": 32})
    run.close()
