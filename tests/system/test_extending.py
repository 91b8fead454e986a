"""A user adds a degradation as the README says, and finds it everywhere; in a copy of the project."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).resolve().parents[2]
SPACE = """
from spaces.suggest import suggest_kind

def space(trial):
    suggest_kind(trial, "degradation", ["invert"])
    return {"sampler/kind": "cold1", "network/cnn/widths": "4-4"}
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with the README's example in it: one class and one line, in one file."""
    copy = tmp_path_factory.mktemp("copy")
    for package in ("analysis", "search", "spaces", "tests", "trainables"):
        ignored = shutil.ignore_patterns("__pycache__", "datasets", "weights", "benchmarks")
        shutil.copytree(ROOT / package, copy / package, ignore=ignored)
    for data in ("data/datasets", "metric/weights"):
        (copy / "trainables" / data).symlink_to(ROOT / "trainables" / data)
    (block,) = re.findall(r"```python\n(@dataclass.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    tones = copy / "trainables/diffusion/degradations/tones.py"
    before, foot = tones.read_text().split("TONES: ")
    added = block.split("TONES: ")[0]
    line = '    "invert": Invert,\n'
    assert line in block
    tones.write_text(f"{before}{added}TONES: {foot.replace('}', line + '}')}")
    return copy


def run(copy: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=copy, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_obeys_the_laws(copy: Path) -> None:
    laws = "tests/unit/trainables/diffusion/test_degradations.py"
    said = run(copy, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(copy), laws, "-k", "invert")
    passed = re.search(r"(\d+) passed", said)
    assert passed is not None, said
    assert int(passed[1]) >= 20
    assert "failed" not in said


def test_it_is_in_the_space_of_degradations(copy: Path) -> None:
    said = run(copy, "search/run.py", "--space", "degradations", "--trials", "99", "--dry-run")
    assert "degradation/kind = invert+gaussian" in said
    assert "degradation/invert/depth" in said


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_is_in_the_tables_and_the_pictures(copy: Path) -> None:
    (copy / "mine.py").write_text(f'"""Upside down."""\n{SPACE}')
    run(copy, "search/run.py", "--space", "mine.py", "--name", "mine", "--trials", "1", "--max-images", "640")
    (trial,) = pq.read_table(copy / "runs/mine/trials.parquet").to_pylist()
    assert trial["degradation/kind"] == "invert"
    assert 0.1 <= trial["degradation/invert/depth"] <= 1
    assert trial["trial"] == "000-invert"
    assert (copy / "runs/mine/samples/000-invert-strip.png").read_bytes().startswith(b"\x89PNG")
    assert "000-invert" in run(copy, "analysis/rank.py", "runs/mine")
