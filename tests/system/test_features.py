"""A search by the features of a network in a file, its confirmation, and what follows once the file is gone."""

from pathlib import Path

import pytest

from analysis.run.evaluations import stored
from analysis.run.run import Run
from tests.helpers.feature_files import write_features
from tests.helpers.searches import SCRIPT, Searches
from trainables.metric.feature_file import FeatureFile

ROOT = Path(__file__).resolve().parents[2]
BUDGET = ["--scheduler", "none", "--trials", "2", "--max-images", "512", "--confirm", "1", "--seeds", "2"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_run_does_without_the_file(searches: Searches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(searches.folder / "cache"))
    path = write_features(searches.folder / "mine.pt2")
    sha8 = FeatureFile.read(path).sha256[:8]
    done = searches.run(str(SCRIPT), "--space", "tiny.py", "--features", path.name, "--name", "mine", *BUDGET)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "features of 20,000 real images by mine: about " in " ".join(done.stdout.split())
    assert done.stderr == ""
    path.unlink()
    run = Run.open(searches.folder / "runs" / "mine")
    confirmed = run.confirmed()
    assert confirmed is not None
    assert run.settings()["metric"]["version"] == f"mine-49-n256-{sha8}"
    assert confirmed.settings()["metric"]["version"] == f"mine-49-n2048-{sha8}"
    assert all(sum(report.labels) == 256 for reports in run.reports().values() for report in reports)
    for row in confirmed.trials().to_pylist():
        assert row["by_labels"] > 0
        assert 0 <= row["unreadable_share"] <= 1
    assert set(stored(confirmed)["metric"].to_pylist()) == {f"mine-49-n2048-{sha8}"}

    trial, again = run.kept_checkpoints()[0], confirmed.kept_checkpoints()[0]
    for words in (
        ["search/evaluate.py", "runs/mine", trial, "--samples", "64", "--restored", "8"],
        ["search/evaluate.py", "runs/mine/confirm", again, "--samples", "64", "--restored", "8"],
        ["search/replay.py", "runs/mine", trial],
        ["search/train.py", "runs/mine", trial, "--images", "1024", "--name", "longer"],
        ["search/run.py", "--resume", "mine", "--trials", "3", "--time-budget", "1200", "--confirm", "0"],
        ["search/run.py", "--config", "runs/mine/search.json", "--name", "again", "--trials", "1", "--confirm", "0"],
    ):
        done = searches.run(str(ROOT / words[0]), *words[1:])
        assert done.returncode == 0, (words, done.stdout + done.stderr)
        assert "features of" not in done.stdout + done.stderr
    assert set(stored(run)["metric"].to_pylist()) == {f"mine-49-n64-{sha8}"}
    for name in ("mine", "again", "longer"):
        version = Run.open(searches.folder / "runs" / name).settings()["metric"]["version"]
        assert version.startswith("mine-49-n")
        assert version.endswith(sha8)
    evaluate, another = [str(ROOT / "search/evaluate.py"), "runs/mine"], str(searches.folder / "of somebody else")
    refused = searches.run(*evaluate, XDG_CACHE_HOME=another)
    assert refused.returncode == 2
    said = "search/evaluate.py: this would load runs/mine/features/network.pt2, which can run code, "
    assert refused.stderr.splitlines()[-1].startswith(said)
