"""`make lint` refuses an import or the name of a run's file where it does not belong."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("search", "analysis", "spaces", "trainables")


@pytest.fixture(scope="module")
def commands() -> list[list[str]]:
    """What `make lint` runs, ruff and mypy aside."""
    printed = subprocess.run(
        ["make", "--dry-run", "lint", f"VENV={sys.prefix}"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    return [line.split() for line in printed.splitlines() if "lint-imports" in line or "run_files" in line]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the packages and of the rules."""
    files = [*ROOT.glob(".ci/*.py"), *(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))]
    for path in (ROOT / "pyproject.toml", *files):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    return tmp_path


def refusals(commands: list[list[str]], tree: Path) -> str:
    """Return what the commands that fail print."""
    done = [subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False) for command in commands]
    return "".join(result.stdout + result.stderr for result in done if result.returncode)


def test_the_rules_hold(commands: list[list[str]], tree: Path) -> None:
    assert len(commands) == 2
    assert refusals(commands, tree) == ""


# Offenders: the file, the line that it must not have, and what is said of it and of no other.
OFFENDERS = (
    ("trainables/domain.py", "import spaces.degradations", "trainables is not allowed to import spaces"),
    ("spaces/degradations.py", "from analysis import rank", "spaces is not allowed to import analysis"),
    ("analysis/rank.py", "from search import settings", "analysis is not allowed to import search"),
    ("search/settings.py", "def late():\n    import ray.tune", "search.settings -> ray"),
    ("analysis/rank.py", "def late():\n    from optuna.trial import TrialState", "analysis.rank -> optuna"),
    ("search/cluster_files/check.py", "def late():\n    import boto3", "search.cluster_files.check -> boto3"),
    ("search/settings.py", 'LOG = "log.jsonl"', "search/settings.py"),
    ("analysis/rank.py", 'def picture(trial):\n    return f"samples/{trial}.png"', "analysis/rank.py"),
)


def test_every_offender_is_refused(commands: list[list[str]], tree: Path) -> None:
    for file, line, _ in OFFENDERS:
        with (tree / file).open("a") as source:
            source.write(f"\n\n{line}\n")
    said = refusals(commands, tree)
    assert [refusal for _, _, refusal in OFFENDERS if refusal not in said] == []
