"""A user's own network and degradation, as the guide has them, in a file outside the repository."""

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from search import run as command
from tests.helpers.searches import SCRIPT, Searches
from trainables import check
from trainables.parts import uninstall
from trainables.report import GUIDANCES

ROOT = Path(__file__).resolve().parents[2]
BUDGET = ["--scheduler", "none", "--trials", "4", "--max-images", "3200", "--confirm", "1", "--time-budget", "240"]


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
@pytest.mark.timeout(900)
def test_the_run_does_without_the_file(searches: Searches, file: Path) -> None:
    """A search and its confirmation with two workers; then the file is gone."""
    file.rename(searches.folder / file.name)
    done = searches.run(str(SCRIPT), "--space", file.name, "--name", "mine", *BUDGET, "--tune-guidance")
    assert done.returncode == 0, done.stdout + done.stderr
    (searches.folder / file.name).unlink()
    table = pq.read_table(searches.folder / "runs/mine/trials.parquet")
    assert set(table["network/kind"].to_pylist()) == {"mine"}
    assert all(4 <= width <= 64 for width in table["network/mine/width"].to_pylist())
    first, *others = pq.read_table(searches.folder / "runs/mine/confirm/trials.parquet").to_pylist()
    assert first["tried_guidance"] == [0.0, *GUIDANCES]
    best = first["tried_guidance"][first["tried_fmd"].index(min(first["tried_fmd"]))]
    assert [(row["sampler/guidance"], row["tried_guidance"]) for row in others] == [(best, [])]
    assert "guidance chosen after training: by images of the search" in " ".join(done.stdout.split())
    trial = table["trial"].to_pylist()[0]
    for words in (
        ["analysis/rank.py", "runs/mine"],
        ["analysis/report.py", "runs/mine"],
        ["search/evaluate.py", "runs/mine", "--samples", "64"],
        ["search/evaluate.py", "runs/mine/confirm", "--samples", "64"],
        ["search/replay.py", "runs/mine", trial],
        ["search/run.py", "--resume", "runs/mine", "--trials", "5", "--time-budget", "480"],
        ["search/run.py", "--config", "runs/mine/search.json", "--name", "again", "--trials", "1", "--confirm", "0"],
    ):
        done = searches.run(str(ROOT / words[0]), *words[1:])
        assert done.returncode == 0, (words, done.stdout + done.stderr)
