"""A search on a folder of one's own, confirmed, resumed, evaluated and replayed; changed images are refused."""

import json
from pathlib import Path

import pytest

from analysis.run.run import Run
from search import evaluate, export, replay
from tests.helpers.own_images import bars, save_all
from tests.helpers.searches import SCRIPT, Searches

BUDGET = ["--max-images", "1152", "--grace-images", "128", "--trials", "3", "--confirm", "1", "--seeds", "2"]


@pytest.mark.slow
@pytest.mark.parametrize("labelled", [True, False])
def test_a_search_on_images_of_ones_own(labelled: bool, searches: Searches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(searches.folder / "cache"))
    folder = searches.folder / "my images"
    for number, row in enumerate((1, 6, 11)):
        save_all(folder / f"class {number}" if labelled else folder / f"{number}", bars(80, row, number))
    if not labelled:
        for path in list(folder.glob("*/*.png")):
            path.rename(folder / f"{path.parent.name}-{path.name}")
    given = ["--space", "tiny.py", "--dataset", "my images", "--name", "mine", *BUDGET]
    told = f"network.conditioning={'class' if labelled else 'cluster'}"
    begun = searches.run(str(SCRIPT), *given, "--set", told)
    assert begun.returncode == 0, begun.stderr
    assert "240 images of 16 x 16 in grey" in begun.stdout
    run = Run.open(searches.folder / "runs" / "mine")
    settings = run.settings()
    assert settings["settings"]["dataset"] == str(folder)
    assert settings["data_card"]["images"].startswith("240 of 16 x 16 in grey")
    assert settings["metric"]["version"].startswith("flat-" if labelled else "rotations-flat-")
    assert "my images: 240 of 16 x 16 in grey" in (run.path / "report.html").read_text()
    confirmed = run.confirmed()
    assert confirmed is not None
    assert confirmed.settings()["tested"]

    more = ["--resume", "mine", "--trials", "4", "--time-budget", "1200"]
    first = folder / ("class 0/0.png" if labelled else "0-0.png")
    aside = first.rename(searches.folder / "aside.png")
    refused = searches.run(str(SCRIPT), *more)
    assert refused.returncode == 2
    assert refused.stderr.startswith("search/run.py: --resume mine: the data are not those that it began with; give it")
    assert "training" not in refused.stdout
    aside.rename(first.with_name("renamed.png"))
    assert searches.run(str(SCRIPT), *more).returncode == 0
    assert len(run.starts()) == 4

    moved: Path = folder.rename(searches.folder / "moved")
    trial = run.kept_checkpoints()[0]
    assert searches.run(replay.__file__, str(run.path), trial, "--data-dir", str(moved)).returncode == 0
    evaluated = searches.run(evaluate.__file__, str(run.path), trial, "--data-dir", str(moved))
    assert evaluated.returncode == 0, evaluated.stderr
    assert ("labels, distance" in evaluated.stdout) == labelled

    exported = searches.run(export.__file__, str(run.path), "model", "--data-dir", str(moved))
    assert exported.returncode == 0, exported.stderr
    card = (searches.folder / "model" / "README.md").read_text()
    found = "a folder of 3 class folders" if labelled else "a folder of images without classes"
    assert f"\n- data: images of the user's own: 240 of 16 x 16 in grey; {found}; train " in card
    assert ("sample.py --n 100 --out samples.png --label 'class 0'" in card) == labelled
    counts = json.loads((searches.folder / "model" / "config.json").read_text())["label_counts"]
    assert len(counts) < 100  # the default of network.clusters, for which these images are too few
    assert (f"was told of {len(counts)} clusters of the training images" in card) == (not labelled)
