"""From a search to what is done with its winner: the page on notebooks, word for word, and the commands."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analysis.run.run import Run
from analysis.statistics.winner import training_of, winner
from search import export, generate, train
from tests.helpers.pages import FENCE, ROOT
from tests.helpers.searches import Searches

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_search_in_a_notebook_and_the_commands_for_its_winner(searches: Searches) -> None:
    cells = [text for language, text in FENCE.findall((ROOT / "docs/notebook.md").read_text()) if language == "python"]
    (searches.folder / "notebook.py").write_text("\n".join(cells))
    done = searches.run("notebook.py")
    assert done.returncode == 0, done.stderr
    run = Run.open(searches.folder / "runs/mine")
    assert run.settings()["status"] == "done"
    best = winner(run)
    assert best is not None
    assert f"{best} " in done.stdout
    # What the search says at its end, word for word.
    said = re.findall(r"^    \S*python\S* (.*search/(?:generate|train|export)\.py .*)$", done.stdout, re.MULTILINE)
    assert said == [
        f"{generate.__file__} runs/mine --out samples.png",
        f"{train.__file__} runs/mine --images 40000",
        f"{export.__file__} runs/mine model",
    ]
    commands = [
        said[0],
        said[1].replace("40000", "6000 --every 1000"),
        said[2],
        "model/sample.py --n 8 --label 3 --out threes.npz",
        f"{generate.__file__} runs/mine-{training_of(run).start.trial} --n 8 --out longer.npz",
    ]
    for command in commands:
        done = searches.run(*command.split())
        assert done.returncode == 0, done.stderr
    check_what_they_left(searches.folder, run)


def check_what_they_left(folder: Path, run: Run) -> None:
    with Image.open(folder / "samples.png") as picture:
        assert picture.size == (2 * (10 * 29 + 1), 2 * (10 * 29 + 1))
    model = training_of(run)
    assert model.start.repeats == winner(run)
    longer = Run.open(folder / "runs" / f"mine-{model.start.trial}")
    reports = longer.reports()[model.start.trial]
    assert [report.images_seen for report in reports] == [4000, 5000, 6000]
    assert reports[0].fmd == model.report.fmd
    assert reports[-1].fmd < reports[0].fmd
    with np.load(folder / "threes.npz") as threes, np.load(folder / "longer.npz") as others:
        assert threes["labels"].tolist() == [3] * 8
        assert threes["images"].shape == others["images"].shape == (8, 28, 28)
