"""The README's own commands: a small search that is killed, resumed, ranked and shown."""

import os
import re
import shlex
import signal
from pathlib import Path

import pytest

from analysis.run.lock import run_lock
from analysis.run.run import Run, RunError
from tests.helpers.searches import Searches, check_run, count_reports, reports, wait_for

pytestmark = pytest.mark.timeout(600)

ROOT = Path(__file__).parents[2]
# One rung, so that the literature's network, the second trial, is sampled from once.
SMALL = ["--trials", "4", "--max-images", "640", "--grace-images", "640", "--confirm", "0"]


def command(beginning: str, name: str = "") -> list[str]:
    """Return the arguments of Python in the README's first command that begins so, with a run's name for NAME."""
    line = re.search(rf"^    python ({re.escape(beginning)}[^#\n]*)", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert line, beginning
    script, *arguments = shlex.split(line[1].replace("NAME", name))
    return [str(ROOT / script), *arguments]


def test_a_search_that_is_killed_and_resumed_keeps_its_reports_and_is_ranked(searches: Searches) -> None:
    begin = command("search/run.py --space degradations")
    process = searches.start(*begin, "--name", "mine", *SMALL)
    folder = searches.folder / "runs" / "mine"
    wait_for(process, folder, lambda events: count_reports(events) > 0)
    with pytest.raises(RunError, match="is being searched by another process"), run_lock(Run.open(folder)):
        pass
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    searches.kill()
    before = reports(Run.open(folder))
    assert before
    resumed = searches.run(*command("search/run.py --resume NAME", "mine"))
    assert resumed.returncode == 0, resumed.stderr
    run = Run.open(folder)
    check_run(run, 4)
    assert before.items() <= reports(run).items()
    assert run.report.stat().st_size > 100_000
    assert run.real_images.is_file()
    again = searches.run(*command("search/run.py --resume NAME", "mine"))
    assert again.returncode == 0
    assert "nothing is left to do: mine has had all its 4 trials; give a larger --trials" in again.stdout
    ranked = searches.run(*command("analysis/rank.py runs/NAME", "mine"))
    assert ranked.returncode == 0, ranked.stderr
    assert {"000-gaussian-class", "001-gaussian-cluster"} <= set(re.findall(r"\d{3}-[\w-]+", ranked.stdout))
