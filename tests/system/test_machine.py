"""Machines as people have them: folders with spaces, long paths, variables of job scripts, users without a name."""

import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from analysis.run.run import Run
from search import replay
from tests.helpers.refusals import REFUSING
from tests.helpers.searches import BUDGET, SCRIPT, Searches, check_run, count_reports, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# As .bashrc and Slurm scripts have them.
THREADS = {"OMP_NUM_THREADS": "16", "MKL_NUM_THREADS": "16", "OPENBLAS_NUM_THREADS": "16", "OMP_PROC_BIND": "true"}
LONG = "of_the_job_12345678_on_node_0123_of_the_cluster/" * 3
FEW = [*BUDGET, "--trials", "3"]


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """Python in a folder with a space, with the packages of this one."""
    folder = tmp_path / "Master's thesis" / ".venv"
    venv.create(folder)
    packages = next(folder.glob("lib/python*/site-packages"))
    # addsitedir reads the .pth files there, too, by which the project is installed.
    (packages / "as_here.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    return folder / "bin" / "python"


def nameless(command: list[str]) -> list[str]:
    """A command as of a user without a name and a home, where the kernel lets this user have one."""
    prefix = ["unshare", "--user", "--map-user=4242", "--map-group=4242", "env", "-u", "HOME"]
    allowed = subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
    return [*prefix, *command] if allowed else command


def listening(processes: set[int]) -> set[str]:
    """The addresses on which these processes listen, as /proc/net/tcp writes them."""
    sockets = set()
    for number in processes:
        for descriptor in Path(f"/proc/{number}/fd").glob("*"):
            try:
                sockets.add(os.readlink(descriptor))
            except OSError:
                continue
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                found.add(fields[1].split(":")[0])
    return found


def test_threads_paths_and_names_of_the_environment_change_nothing_and_nobody_else_is_listened_to(
    searches: Searches, python: Path, tmp_path: Path
) -> None:
    (tmp_path / LONG).mkdir(parents=True)
    places = {"TMPDIR": str(tmp_path / LONG), "RAY_TMPDIR": str(tmp_path / LONG)}
    program, *command = nameless([str(python), str(SCRIPT), "--space", "tiny.py", "--name", "a", *FEW])
    process = searches.start(*command, python=Path(program), **THREADS, **places)
    folder = searches.folder / "runs" / "a"
    wait_for(process, folder, lambda events: count_reports(events) > 0)
    loopback = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
    processes = searches.processes()
    made = [path for path in Path("/tmp").glob("search-*") if str(path) in " ".join(processes.values())]
    assert made
    found = listening(set(processes))
    assert found
    assert found <= loopback
    output, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    assert "trials do not follow OMP_NUM_THREADS=16" in " ".join(output.split())
    run = Run.open(folder)
    check_run(run, 3)
    assert not [path for path in made if path.exists()]
    assert not list((tmp_path / LONG).glob("search-*"))
    best = max(run.starts(), key=lambda name: len(run.reports().get(name, ())))
    again = searches.run(str(replay.__file__), "runs/a", best, **THREADS)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("the same to the last bit") == len(run.reports()[best]) == 3


# A search whose processes end when they begin, as where a library is missing there; it waits for less than minutes.
BROKEN = """
import sys
from search import run
from search.execution import first_worker

first_worker.FirstWorker.__init__.__defaults__ = (20.0,)
sys.exit(run.main())
"""
SITE = """
import sys

if any(word.endswith("default_worker.py") for word in sys.orig_argv):
    sys.exit("ImportError: libgomp.so.1: cannot open shared object file")
"""


def test_where_no_process_begins_the_search_ends_with_the_reason(searches: Searches, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SITE)
    path = os.pathsep.join([str(tmp_path / "site"), *filter(None, [os.environ.get("PYTHONPATH")])])
    ended = searches.run("broken.py", "--space", "tiny.py", "--name", "a", *FEW, PYTHONPATH=path)
    assert ended.returncode == 2, ended.stdout
    (line,) = ended.stderr.splitlines()
    reason = r"ImportError: libgomp.so.1: cannot open shared object file"
    assert re.fullmatch(rf"search/run.py: no trial began in \d+ seconds, because .*: {reason}", line), line


@pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers of system calls are those of x86-64")
def test_it_runs_where_there_are_neither_locks_nor_links(searches: Searches, tmp_path: Path) -> None:
    begin = "refuse()\nimport sys\nfrom search import run\nsys.exit(run.main())"
    (tmp_path / "refused.py").write_text(f"{REFUSING}\n{begin}\n")
    for command in (["--space", "tiny.py", "--name", "a", *FEW], ["--resume", "a", "--trials", "4"]):
        ended = searches.run("refused.py", *command)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert "this file system has no locks" in ended.stdout
    run = Run.open(searches.folder / "runs" / "a")
    check_run(run, 4)
    assert not run.lock.exists()


@pytest.mark.skipif(shutil.which("uv") is None and not Path(sys.executable).with_name("uv").exists(), reason="no uv")
def test_it_runs_under_uv(searches: Searches) -> None:
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    begin = shlex.join([sys.executable, str(SCRIPT), "--space", "tiny.py", "--name", "a", *FEW])
    ended = searches.run("-c", f"import os; os.execv({uv!r}, {[uv, 'run', '--no-project', *shlex.split(begin)]!r})")
    assert ended.returncode == 0, ended.stderr
    check_run(Run.open(searches.folder / "runs" / "a"), 3)
