"""search/export.py: the folder is all it takes to use a model, and its card says how good that is."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from analysis.process import carry_out
from analysis.run.evaluations import store
from analysis.run.run import Run
from analysis.statistics.confirmed import confirmation_result
from analysis.statistics.winner import training_of
from analysis.text.words import fmd_text
from search import export
from search.winner.models import load_model
from tests.helpers.commands import refusal
from tests.helpers.tools import load_script
from tests.helpers.trained_runs import OTHER, WINNER
from trainables.model import Model


@pytest.fixture(scope="module")
def folder(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The winner, exported after its models were measured on the test images."""
    nested = trained.confirmed()
    card = {**nested.settings()["metric"], "split": "test", "version": "flat-of-test"}
    nested.update_settings(final_metric=card, tested=True)
    for place, start in enumerate(nested.starts().values()):
        row = {"trial": start.trial, "split": "test", "metric": "flat-of-test", "noise": start.seed}
        store(
            nested, {**row, "fmd": 45.25 + place, "fmd_se": 1.5, "fmd_normalised": 0.25, "sampler": "ddim", "steps": 7}
        )
    folder = tmp_path_factory.mktemp("exported") / "model"
    assert export.main([str(trained.path), str(folder), "--set", "sampler.steps=2"]) == 0
    return folder


def test_the_model_is_that_of_the_run(trained: Run, folder: Path) -> None:
    model = Model.load(folder)
    assert model.sampling.steps == 2
    before = load_model(training_of(trained), {"sampler.steps": "2"})
    assert torch.equal(model.sample(4, [1, 2, 3, 4], seed=3), before.sample(4, [1, 2, 3, 4], seed=3))
    config = json.loads((folder / "config.json").read_text())
    assert (config["trial"], config["images_seen"], config["seed"]) == (f"{WINNER}.1", 64, 12)


def test_its_script_generates_images_in_a_process_of_its_own(folder: Path, tmp_path: Path) -> None:
    script = [sys.executable, str(folder / "sample.py"), "--n", "4", "--label", "3", "--seed", "5"]
    subprocess.run([*script, "--out", "a.npz"], cwd=tmp_path, check=True)
    with np.load(tmp_path / "a.npz") as content:
        images, labels = content["images"], content["labels"]
    assert labels.tolist() == [3, 3, 3, 3]
    assert np.array_equal(images, Model.load(folder).sample(4, [3, 3, 3, 3], seed=5)[:, 0].numpy())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [(["--label", "99"], "99"), (["--out", "samples.jpg"], "--out samples.jpg: give a folder, a .png or a .npz")],
    ids=str,
)
def test_what_its_script_cannot_do_is_one_line(
    arguments: list[str],
    complaint: str,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sample.py", *arguments])
    script = load_script(folder / "sample.py")
    line = refusal(lambda words: carry_out("sample.py", script.main), arguments, capsys)
    assert line.startswith("sample.py: ")
    assert complaint in line
    assert not list(tmp_path.iterdir())


def test_the_card_has_the_numbers_and_their_intervals(trained: Run, folder: Path) -> None:
    card = (folder / "README.md").read_text()
    result = confirmation_result(trained)
    (standing,), (tested,) = result.standings, result.test_standings
    for number in (standing.fmd, standing.low, standing.high, tested.fmd, tested.low, tested.high):
        assert fmd_text(number) in card
    assert "| this model, ddim in 7 steps | the test images | 46.2 ± 1.5 | 0.250 | flat-of-test |" in card
    assert "| this model after 64 images | the images that the search ranked by | 38.0 ± " in card
    assert "- seed: 12\n" in card
    assert "- images seen: 64\n" in card
    assert "    python sample.py --n 100 --out samples.png --label 0\n" in card
    assert "- data: mnist\n- licence of the data: CC BY-SA 3.0" in card
    assert "the one with the lowest FMD on the images that the confirmation judged by" in card


def test_the_card_of_a_search_own_model_says_that_it_was_chosen_by_its_number(trained: Run, tmp_path: Path) -> None:
    assert export.main([str(trained.path), OTHER, str(tmp_path / "other")]) == 0
    card = (tmp_path / "other" / "README.md").read_text()
    assert "it knows no classes" in card
    assert "the FMD of the best of many is too low for that reason" in card
    assert "95 % interval" not in card


def test_what_cannot_be_is_one_line_and_status_2(
    trained: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    line = refusal(export.main, [str(trained.path), str(tmp_path / "full")], capsys)
    assert line.endswith("full: it is there already; give a folder that is new or empty\n")
    line = refusal(export.main, [str(trained.path)], capsys)
    assert line == "search/export.py: the following arguments are required: DIR; see --help\n"
