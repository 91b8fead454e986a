"""cluster-onprem.yaml itself on hosts of the laboratory: its values filled in, and little else changed.

The hosts have no internet and share the environment that the tests run in, so the commands that install uv, Python and
packages are replaced by a link to that; and they share this machine's cores, so a worker has one.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.commands import wait_for
from tests.cluster.laboratory import HOME, REPOSITORY, SHARED_FOLDER, Host, Laboratory

LAPTOP = Host("laptop", "10.77.0.9", shares=False, has_repository=True)
HEAD = Host("head", "10.77.0.10")
WORKERS = (Host("worker1", "10.77.0.11"), Host("worker2", "10.77.0.12"))
FILE = REPOSITORY / "cluster-onprem.yaml"
STORAGE = f"{SHARED_FOLDER}/runs"
VALUES = {
    "CHANGE-ME-head": HEAD.address,
    "CHANGE-ME-worker-1": WORKERS[0].address,
    "CHANGE-ME-worker-2": WORKERS[1].address,
    "CHANGE-ME-user": "root",
    "CHANGE-ME-storage": STORAGE,
}
# Of every login: the project is installed where it lies, as `uv pip install -e` has it; Ray would reserve a third of
# this machine's memory on each host for objects.
ENVIRONMENT = {
    "PYTHONPATH": f"{HOME}/diffusion-search",
    "RAY_DEFAULT_OBJECT_STORE_MAX_MEMORY_BYTES": str(400 * 2**20),
    "RAY_USAGE_STATS_ENABLED": "0",
}
INSTALLS = re.compile(r"astral\.sh/uv|/uv venv|/uv pip install")


def filled_in() -> dict[str, Any]:
    """Return the file with its values, for hosts of the laboratory."""
    text = FILE.read_text()
    for mark, value in VALUES.items():
        text = text.replace(mark, value)
    file = linked(yaml.safe_load(text))
    start = "--address=$RAY_HEAD_IP:6379"
    starts = file["worker_start_ray_commands"]
    starts[-1] = starts[-1].replace(start, f"{start} --num-cpus=1")
    return file


def linked(file: dict[str, Any]) -> dict[str, Any]:
    """Return a cluster's file that does not install anything, but takes the environment that is there."""
    installing = [command for command in file["setup_commands"] if INSTALLS.search(command)]
    assert len(installing) == 3, installing
    link = f"ln -sfn {sys.prefix} ~/diffusion-search/.venv"
    return {**file, "setup_commands": [link, *file["setup_commands"][len(installing) :]]}


class Onprem:
    """The cluster of the file, and the laptop that it is driven from."""

    path = "~/cluster-onprem.yaml"

    def __init__(self, laboratory: Laboratory) -> None:
        """Do what the file's comments say to do once; ssh-copy-id, which asks for a password, is done by hand."""
        self.laboratory = laboratory
        self.runs = laboratory.shared / "runs"
        self.runs.mkdir()
        (laboratory.home("laptop") / Path(self.path).name).write_text(yaml.safe_dump(filled_in(), sort_keys=False))
        for step in comments("Once:").splitlines():
            if not step.startswith("ssh-copy-id"):
                self.laptop(step.partition("   ")[0])
        for host in (HEAD, *WORKERS):
            self._copy_id(host)

    def laptop(self, command: str, seconds: float = 300, check: bool = True) -> str:
        """Run a command on the laptop, in the project's folder; return what it printed."""
        return self.laboratory.run(LAPTOP.name, command, seconds, check)

    def head(self, command: str, seconds: float = 120, check: bool = True) -> str:
        """Run a command on the head with `ray exec`; return what it printed."""
        return self.laptop(f"ray exec {self.path} {shlex.quote(command)}", seconds, check)

    def up(self) -> None:
        """Start the cluster, as the file's comments say."""
        self.laptop(f"ray up --yes {self.path}")

    def down(self) -> None:
        """Stop Ray on the head, and forget its machine."""
        self.laptop(f"ray down --yes {self.path}")

    def renew_head(self) -> None:
        """Lose the head's machine with its disk, and set up a new one as far as the file's comments ask for."""
        self.laboratory.renew(HEAD.name)
        self._copy_id(HEAD)

    def wait_for_workers(self, workers: int = len(WORKERS), seconds: float = 240) -> None:
        """Wait until the autoscaler counts the head and so many workers."""
        count = f"{1 + workers} local.cluster.node"
        wait_for(lambda: count in self._status(), "the workers", seconds)

    def search(self, options: str) -> None:
        """Start a search on the head in tmux, by the command of the file's comments with its options replaced."""
        shown = re.search(r"ray exec --tmux cluster-onprem.yaml '(.*?)'", comments("Then"), re.DOTALL)
        assert shown is not None
        command = re.sub(r"--space degradations --name first", options, shown[1].replace("\\\n", " "))
        assert command != shown[1]
        self.laptop(f"ray exec --tmux {self.path} {shlex.quote(command)}", 60)

    def resume(self, name: str) -> None:
        """Go on with a search, on the head in tmux."""
        self.search(f"--resume {name}")

    def drivers(self) -> list[int]:
        """Return the processes of searches on the head."""
        return self.laboratory.running(HEAD.name, r"^python search/run\.py")

    def kill(self, host: str, pattern: str) -> None:
        """Kill the processes of a host whose command line has the pattern, as when it runs out of memory."""
        numbers = " ".join(map(str, self.laboratory.running(host, pattern)))
        assert numbers, pattern
        self.laboratory.run(host, f"kill -9 {numbers}")

    def trials_on(self, host: str, since: float = 0.0) -> set[str]:
        """Return the trials that a host has had since a time; Tune marks the folder of a trial that began again."""
        sessions = (self.laboratory.folder / "hosts" / host / "tmp/ray").glob("session_2*")
        folders = [folder for session in sessions for folder in session.glob("artifacts/*/ray/working_dirs/*")]
        young = [folder.name for folder in folders if folder.stat().st_ctime >= since]
        return {re.sub(r"_[0-9a-f]{4}$", "", name) for name in young}

    def _copy_id(self, host: Host) -> None:
        """Let the laptop into a host, as ssh-copy-id does."""
        folder = self.laboratory.home(host.name) / ".ssh"
        folder.mkdir(mode=0o700)
        shutil.copy(self.laboratory.home(LAPTOP.name) / ".ssh/diffusion-search.pub", folder / "authorized_keys")

    def _status(self) -> str:
        """Return what the autoscaler last wrote of its nodes; `ray status` takes a core for seconds to say the same."""
        logs = sorted((self.laboratory.folder / "hosts" / HEAD.name / "tmp/ray").glob("session_2*/logs/monitor.log"))
        return logs[-1].read_text().rpartition("Node status")[2] if logs else ""


def comments(above: str) -> str:
    """Return the commands in the file's comments that stand below a line that begins so."""
    found = re.search(rf"^# {above}.*?\n#\n(.*?)\n#\n", FILE.read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None
    return re.sub(r"(?m)^# +", "", found[1])
