"""What ends a search from outside, in whole searches: it says how to go on, and goes on with all that was reported."""

import os
import re
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator

import pytest

from analysis.run.run import Run
from tests.helpers.searches import BUDGET, SCRIPT, Searches, check_run, count_reports, reports, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def end_all(searches: Searches, process: subprocess.Popen[str], number: signal.Signals) -> None:
    """Send a signal to the search and to all that it started, as systemd, Slurm and a shutdown do."""
    for one in [process.pid, *searches.processes()]:
        try:
            os.kill(one, number)
        except ProcessLookupError:
            continue


def kill(searches: Searches, name: str) -> None:
    """Kill the process of Ray whose command begins with a path that ends in `name`."""
    (number,) = [number for number, line in searches.processes().items() if line.split()[0].endswith(name)]
    os.kill(number, signal.SIGKILL)


def interrupt(searches: Searches, process: subprocess.Popen[str]) -> None:
    """As Ctrl-C in a terminal does."""
    os.killpg(process.pid, signal.SIGINT)


def terminate(searches: Searches, process: subprocess.Popen[str]) -> None:
    end_all(searches, process, signal.SIGTERM)


def hang_up(searches: Searches, process: subprocess.Popen[str]) -> None:
    end_all(searches, process, signal.SIGHUP)


def stop_ray(searches: Searches, process: subprocess.Popen[str]) -> None:
    """As `ray stop` of somebody on this machine does in the end, which knows processes by their names."""
    for number, line in searches.processes().items():
        if number != process.pid and re.search(r"raylet|gcs_server|ray::|/ray/", line):
            os.kill(number, signal.SIGKILL)


def lose_the_raylet(searches: Searches, process: subprocess.Popen[str]) -> None:
    kill(searches, "raylet/raylet")


def lose_the_gcs(searches: Searches, process: subprocess.Popen[str]) -> None:
    kill(searches, "gcs_server")


def test_however_it_is_ended_it_says_how_to_go_on_and_goes_on(searches: Searches) -> None:
    folder = searches.folder / "there" / "a"
    command = [str(SCRIPT), "--space", "tiny.py", "--name", "a", "--storage-path", "there", *BUDGET, "--trials", "900"]
    before: dict[tuple[str, int], float] = {}
    places = tempfile.mkdtemp(dir="/tmp")  # of this test alone: searches beside it have folders, too
    from_outside = ((interrupt, 130), (terminate, 130), (hang_up, 130))
    for end, status in (*from_outside, (stop_ray, 1), (lose_the_raylet, 1), (lose_the_gcs, 1)):
        process = searches.start(*command, RAY_TMPDIR=places)
        known = len(before)
        wait_for(process, folder, lambda events, known=known: count_reports(events) > known)
        end(searches, process)
        output, errors = process.communicate()
        told = (end.__name__, output, errors)
        assert process.returncode == status, told
        assert "Traceback" not in output + errors, told
        assert not re.search(r"\(raylet\)|state-dump|\[.* [EC] \d+", output + errors), told
        assert len(errors.splitlines()) <= 2, told
        line = re.search(r"^go on +\S*python\S* (.*)$", output, re.MULTILINE)
        assert line, told
        assert "--storage-path there" in line[1]
        assert "Ray is lost" in output or status == 130, told
        run = Run.open(folder)
        assert run.settings()["status"] == "interrupted"
        assert before.items() <= reports(run).items()
        assert not {state.state for state in run.ends().values()} & {"FAILED"}
        assert not searches.processes(), told
        before, command = reports(run), shlex.split(line[1])
    trials = len(Run.open(folder).starts()) + 2
    ended = searches.run(*command, "--trials", str(trials), RAY_TMPDIR=places)
    assert ended.returncode == 0, ended.stderr
    check_run(Run.open(folder), trials)
    assert before.items() <= reports(Run.open(folder)).items()
    assert os.listdir(places) == []
    os.rmdir(places)


@pytest.mark.parametrize(("end", "status"), [(lose_the_gcs, 1), (lose_the_raylet, 1), (terminate, 130)])
def test_while_test_images_are_measured_it_says_how_to_go_on_and_goes_on(
    end: Callable[[Searches, subprocess.Popen[str]], None], status: int, searches: Searches
) -> None:
    command = [str(SCRIPT), "--space", "tiny.py", "--name", "a", "--trials", "2", "--confirm", "1", "--seeds", "2"]
    process = searches.start(*command, "--max-images", "256", "--grace-images", "256", "--time-budget", "900")
    assert process.stdout is not None
    before = "".join(iter_until(process.stdout, "measured on the test images"))
    time.sleep(3)  # the measurements begin
    end(searches, process)
    output, errors = process.communicate()
    told = (before, output, errors)
    assert process.returncode == status, told
    assert "Traceback" not in output + errors, told
    assert "Ray is lost" in output or status == 130, told
    line = re.search(r"^go on +\S*python\S* (.*)$", output, re.MULTILINE)
    assert line, told
    while searches.processes():  # those that the raylet had started notice its end by themselves
        time.sleep(0.1)
    run = Run.open(searches.folder / "runs" / "a")
    assert run.settings()["status"] == "interrupted"
    ended = searches.run(*shlex.split(line[1]))
    assert ended.returncode == 0, ended.stderr
    nested = run.confirmed()
    assert nested is not None
    assert nested.settings()["tested"]


def iter_until(lines: Iterable[str], words: str) -> Iterator[str]:
    """Yield lines up to the one that has these words."""
    for line in lines:
        yield line
        if words in line:
            return


@pytest.mark.parametrize("seconds", [0.5, 1.0, 2.0, 4.0])
def test_in_the_first_seconds_it_ends_with_one_line_and_leaves_nothing(seconds: float, searches: Searches) -> None:
    process = searches.start(str(SCRIPT), "--space", "tiny.py", "--name", "a", *BUDGET)
    assert process.stdout is not None
    process.stdout.readline()  # that it starts
    time.sleep(seconds)
    interrupt(searches, process)
    output, errors = process.communicate()
    assert process.returncode == 130, errors
    begun = (searches.folder / "runs").exists()
    assert "python" in output if begun else errors == "\nsearch/run.py: interrupted\n"
    assert not searches.processes()
