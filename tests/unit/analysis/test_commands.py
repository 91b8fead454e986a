"""Each command runs as a script, and says in one line what it cannot read."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.pages import ROOT


@pytest.mark.parametrize(
    ("script", "runs", "message"),
    [
        ("rank.py", ["nowhere"], "no run at nowhere"),
        ("rank.py", ["."], "is not a run"),
        ("report.py", ["nowhere"], "no run at nowhere"),
        ("insight.py", ["nowhere"], "no run at nowhere"),
        ("compare.py", ["nowhere", "nowhere"], "no run at nowhere"),
        ("literature.py", ["nowhere"], "no run at nowhere"),
    ],
)
def test_bad_input_is_one_line_and_status_2(tmp_path: Path, script: str, runs: list[str], message: str) -> None:
    call = [sys.executable, str(ROOT / "analysis" / script), *runs]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(f"{script}: ")
    assert message in done.stderr
