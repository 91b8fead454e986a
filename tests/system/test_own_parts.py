"""A user's own network and degradation, as the guide has them, and a network of features, in files of the user."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.run.evaluations import stored
from analysis.run.run import Run
from search import run as command
from search.trust import code_of
from tests.helpers.feature_files import write_features
from tests.helpers.searches import SCRIPT, Searches
from trainables import check
from trainables.metric.feature_file import FeatureFile
from trainables.parts import uninstall
from trainables.report import GUIDANCES

ROOT = Path(__file__).resolve().parents[2]
# At the guide's own size two cores take minutes for the samples alone.
SMALL = ["--set", "network.mine.width=4", "--set", "network.mine.depth=2", "--set", "sampler.steps=2"]
BUDGET = [*SMALL, "--scheduler", "none", "--trials", "3", "--max-images", "512", "--confirm", "1", "--seeds", "2"]
COMPUTED = "features of 20,000 real images by means"


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """The file of the guide."""
    (block,) = re.findall(r"```python\n(\"\"\"A residual.*?)```", (ROOT / "docs/guide.md").read_text(), re.DOTALL)
    path = tmp_path / "my_space.py"
    path.write_text(block)
    yield path
    uninstall()


def test_its_parts_obey_the_laws(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main([str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    assert all(re.match(r"(degradation fading|network mine): passed: ", line) for line in lines)


def test_its_space_is_planned_with_a_field_fixed(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--space", str(file), "--set", "network.mine.depth=4", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    for expected in (
        "network/mine/width, degradation/kind",
        "degradation/fading/depth",
        "network/mine/depth = 4",
        "own parts  degradation fading, network mine;",
    ):
        assert expected in printed


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_run_does_without_the_files(searches: Searches, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search by the features of a network of one's own, and its confirmation; then both files are gone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(searches.folder / "cache"))
    file.rename(searches.folder / file.name)
    features = write_features(searches.folder / "means.pt2")
    sha8 = FeatureFile.read(features).sha256[:8]
    given = ["--space", file.name, "--features", features.name, "--name", "mine", "--tune-guidance"]
    done = searches.run(str(SCRIPT), *given, *BUDGET)
    assert done.returncode == 0, done.stdout + done.stderr
    said = " ".join(done.stdout.split())
    assert f"{COMPUTED}: about " in said
    assert "guidance chosen after training: by images of the search" in said
    (searches.folder / file.name).unlink()
    features.unlink()

    run = Run.open(searches.folder / "runs" / "mine")
    confirmed = run.confirmed()
    assert confirmed is not None
    assert set(run.trials()["network/kind"].to_pylist()) == {"mine"}
    assert len(set(run.trials()["training/lr"].to_pylist())) == 3
    first, other = confirmed.trials().to_pylist()
    assert first["tried_guidance"] == [0.0, *GUIDANCES]
    best = first["tried_guidance"][first["tried_fmd"].index(min(first["tried_fmd"]))]
    assert (other["sampler/guidance"], other["tried_guidance"]) == (best, [])
    assert run.settings()["metric"]["version"] == f"means-49-n256-{sha8}"
    assert confirmed.settings()["metric"]["version"] == f"means-49-n2048-{sha8}"
    assert all(sum(report.labels) == 256 for reports in run.reports().values() for report in reports)
    assert all(row["by_labels"] > 0 and 0 <= row["unreadable_share"] <= 1 for row in (first, other))
    assert set(stored(confirmed)["metric"].to_pylist()) == {f"means-49-n2048-{sha8}"}

    trial, again = run.kept_checkpoints()[0], confirmed.kept_checkpoints()[0]
    for words in (
        ["analysis/report.py", "runs/mine"],
        ["search/evaluate.py", "runs/mine", trial, "--samples", "64", "--restored", "8"],
        ["search/evaluate.py", "runs/mine/confirm", again, "--samples", "64", "--restored", "8"],
        ["search/replay.py", "runs/mine", trial],
        ["search/train.py", "runs/mine", trial, "--images", "1024", "--name", "longer"],
        ["search/run.py", "--resume", "runs/mine", "--trials", "4", "--time-budget", "1200", "--confirm", "0"],
        ["search/run.py", "--config", "runs/mine/search.json", "--name", "again", "--trials", "1", "--confirm", "0"],
    ):
        done = searches.run(str(ROOT / words[0]), *words[1:])
        assert done.returncode == 0, (words, done.stdout + done.stderr)
        assert COMPUTED not in " ".join((done.stdout + done.stderr).split())
    assert set(stored(run)["metric"].to_pylist()) == {f"means-49-n64-{sha8}"}
    for name in ("mine", "again", "longer"):
        version = Run.open(searches.folder / "runs" / name).settings()["metric"]["version"]
        assert version.startswith("means-49-n")
        assert version.endswith(sha8)

    monkeypatch.setenv("XDG_CACHE_HOME", str(searches.folder / "cache of somebody else"))
    for what in ("execute runs/mine/code/my_space.py", "load runs/mine/features/network.pt2, which can run code"):
        refused = searches.run(str(ROOT / "search/evaluate.py"), "runs/mine")
        assert refused.returncode == 2
        assert refused.stderr.splitlines()[-1].startswith(f"search/evaluate.py: this would {what}, ")
        code_of(run, trusts=True)
