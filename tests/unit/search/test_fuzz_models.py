"""Whatever becomes of a run's files, a command that uses models ends with a result or with one line and status 2."""

from pathlib import Path

import pytest

from analysis.run.run import Run
from search import evaluate, export, generate, replay, train
from tests.helpers.damage import damaged
from tests.helpers.trained_runs import OTHER, WINNER

CHECKPOINTS = (f"checkpoints/{OTHER}.pt", f"confirm/checkpoints/{WINNER}.1.pt")
FILES = ("log.jsonl", "search.json", "confirm/log.jsonl", "confirm/search.json", *CHECKPOINTS)
TIMES = 40


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(TIMES))
def test_what_is_damaged_is_used_or_named_in_one_line(
    seed: int, trained: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(damaged(trained.path, tmp_path, FILES, seed))
    commands = {
        "search/generate.py": lambda: generate.main([run, "--n", "2", "--out", str(tmp_path / "samples.png")]),
        "search/export.py": lambda: export.main([run, OTHER, str(tmp_path / "model")]),
        "search/evaluate.py": lambda: evaluate.main([run, OTHER, "--samples", "64", "--restored", "64"]),
        "search/replay.py": lambda: replay.main([run, OTHER, "--device", "cpu"]),
        "search/train.py": lambda: train.main([run, OTHER, "--images", "96", "--every", "32"]),
    }
    for name, command in commands.items():
        status = command()
        printed = capsys.readouterr()
        assert "\x1b" not in printed.out + printed.err
        last = printed.err.splitlines()[-1:]
        if status == 2:
            assert last[0].startswith(f"{name}: ")
        else:
            assert status == 0 or (name, status) in {("search/replay.py", 1), ("search/evaluate.py", 3)}, last
