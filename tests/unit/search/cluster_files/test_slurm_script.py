"""cluster-slurm.sh where there is no Slurm; tests/cluster/test_slurm.py runs it in one."""

import os
import subprocess
from pathlib import Path

import pytest

from search.execution.preemption import NOTICE

SCRIPT = Path(__file__).parents[4] / "cluster-slurm.sh"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [({}, "this is a job: sbatch cluster-slurm.sh "), ({"SLURM_JOB_ID": "1"}, "has no .venv: run make env")],
)
def test_what_is_missing_is_said_in_one_line(variables: dict[str, str], expected: str, tmp_path: Path) -> None:
    known = {name: text for name, text in os.environ.items() if not name.startswith("SLURM_")}
    ran = subprocess.run(
        ["bash", str(SCRIPT)], cwd=tmp_path, env={**known, **variables}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 2
    assert expected in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_trials_look_for_the_notice_that_it_leaves() -> None:
    assert f'touch "$folder/{NOTICE.name}"' in SCRIPT.read_text()


def test_it_can_be_started_as_it_is() -> None:
    assert os.access(SCRIPT, os.X_OK)
    assert SCRIPT.read_text().startswith("#!/bin/bash\n")
