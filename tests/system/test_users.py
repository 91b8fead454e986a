"""Users without a name or a home of their own, and folders of others in their way, on a host where they are real."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.run.run import Run
from tests.cluster.laboratory import REPOSITORY, Host, Laboratory, missing
from tests.helpers.searches import BUDGET, SPACE, check_run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

USER = 12345  # nobody has this number
HOST = Host("host", "10.77.0.10", shares=False, has_repository=True)
TMP = "/tmp"  # of the host
OWN, THEIRS = f"{TMP}/own", f"{TMP}/theirs"
SEARCH = shlex.join(["--space", "tiny.py", "--name", "a", *BUDGET, "--trials", "2"])


class User:
    """A user of the host by number, who owns the folder `OWN` there and nothing else."""

    def __init__(self, laboratory: Laboratory) -> None:
        self._laboratory, self.tmp = laboratory, laboratory.folder / "hosts" / HOST.name / "tmp"
        self.own = self.tmp / "own"

    def root(self, command: str) -> None:
        """Run a command as root."""
        self._laboratory.run(HOST.name, command)

    def run(self, variables: str, options: str) -> tuple[int, str]:
        """Run a search with these arguments of `env`; return its status and what it wrote to the standard error."""
        script = shlex.quote(str(REPOSITORY / "search" / "run.py"))
        as_user = f"setpriv --reuid {USER} --regid {USER} --clear-groups env {variables}"
        command = f"cd {OWN} && {as_user} python {script} {options} >output 2>errors"
        return self._laboratory.start(HOST.name, command).wait(), (self.own / "errors").read_text()

    def runs(self) -> Run:
        """Return the run of the searches."""
        return Run.open(self.own / "runs" / "a")


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    if reason := missing():
        pytest.skip(reason)
    with Laboratory(tmp_path / "laboratory", [HOST], {"PYTHONPATH": str(REPOSITORY)}) as laboratory:
        user = User(laboratory)
        user.own.mkdir()
        (user.own / "tiny.py").write_text(SPACE)
        user.root(f"chown -R {USER}:{USER} {OWN}")
        yield user


@pytest.mark.parametrize(
    "variables",
    [
        "-u HOME",
        "HOME=/",  # as Docker has it with --user
        f"HOME={THEIRS} RAY_TMPDIR={THEIRS} TMPDIR={THEIRS}",  # as `su` without a dash leaves it
    ],
)
def test_a_number_without_a_home_searches_beside_folders_of_others(variables: str, user: User) -> None:
    # What `ray start` of another user leaves, at the place where this user's would be.
    user.root(f"mkdir -m 700 {TMP}/ray {TMP}/theirs && echo 127.0.0.1:6379 >{TMP}/ray/ray_current_cluster")
    assert user.run(variables, SEARCH) == (0, "")
    check_run(user.runs(), 2)
    # The code of the space is of this user, who is not asked again.
    assert user.run(variables, "--resume a --trials 3") == (0, "")
    check_run(user.runs(), 3)
    left = {path.name for path in user.tmp.iterdir()} - {"own", "ray", "theirs", f"diffusion-search-{USER}"}
    assert not left
    assert {path.name for path in (user.tmp / "ray").iterdir()} == {"ray_current_cluster"}


def test_where_nothing_can_be_written_a_search_ends_in_one_line(user: User) -> None:
    user.root(f"mkdir {TMP}/closed && chmod 755 {TMP}/closed")
    status, line = user.run("-u HOME", f"{SEARCH} --storage-path {TMP}/closed")
    assert status == 2
    assert line == f"search/run.py: cannot write to {TMP}/closed, Permission denied: give a writable --storage-path\n"
    assert not list((user.tmp / "closed").iterdir())


def test_without_any_folder_for_temporary_files_a_search_ends_in_one_line(user: User) -> None:
    # A container that is read-only but for the folder of the runs.
    user.root("mount --bind /var/tmp /var/tmp && mount -o remount,bind,ro /var/tmp && chmod 755 /tmp /dev/shm")
    user.root(f"chown root {TMP}/own && mkdir -m 777 {TMP}/own/runs")
    status, line = user.run("-u HOME", SEARCH)
    assert status == 2, line
    assert line.startswith("search/run.py: ")
    assert line.count("\n") == 1
    assert "TMPDIR" in line
    assert not list((user.own / "runs").iterdir())
