"""Slurm on hosts of the laboratory: real controller, node daemons and munge, and cluster-slurm.sh itself.

The project and its environment lie in one folder, where `make env` would have made it: the environment of the tests is
linked there. The hosts share this machine's two cores, and each node counts both.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.commands import wait_for
from tests.cluster.laboratory import HOME, REPOSITORY, SHARED_FOLDER, SYSTEM_PATH, Host, Laboratory
from tests.cluster.searches import Watched

LOGIN = Host("login", "10.77.0.20")
NODES = (Host("node1", "10.77.0.21"), Host("node2", "10.77.0.22"))
ALONE = Host("alone", "10.77.0.30", shares=False)
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged")
# Slurm finds the processes of a job by control groups, as on real clusters, where this machine has those of version 1;
# each host then has a tree of its own. Otherwise it finds them by their parents.
FREEZER = Path("/sys/fs/cgroup/freezer")
START_NODE = """\
mkdir -p {group} && echo $$ > {group}/cgroup.procs && exec unshare --cgroup --mount bash -c '
mkdir -p /run/cgroup/freezer && mount -t cgroup -o freezer none /run/cgroup/freezer && slurmd -N {name}'"""
CGROUP_CONF = """\
CgroupPlugin=cgroup/v1
CgroupMountpoint=/run/cgroup
CgroupAutomount=no
"""
# A job that is queued again waits until its credential has expired: two minutes, unless that is set.
SLURM_CONF = """\
ClusterName=laboratory
SlurmctldHost={controller.name}({controller.address})
SlurmUser=root
AuthType=auth/munge
AuthInfo=cred_expire=5
StateSaveLocation=/run/slurmctld
SlurmdSpoolDir=/run/slurmd
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
SlurmctldLogFile=/mnt/host/slurmctld.log
SlurmdLogFile=/mnt/host/slurmd.log
ProctrackType=proctrack/{proctrack}
TaskPlugin=task/none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
"""
NODE = "NodeName={name} NodeAddr={address} CPUs=2 State=UNKNOWN\n"
PARTITION = "PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP\n"


def missing() -> str:
    """Return why there can be no Slurm here, "" where there can be one."""
    if absent := [name for name in PROGRAMS if not shutil.which(name, path=SYSTEM_PATH)]:
        return f"{', '.join(absent)} missing (on Debian: apt-get install slurmctld slurmd slurm-client munge)"
    return ""


def folder_of(nodes: Sequence[Host]) -> str:
    """Return the folder that nodes work in: the one that they share, or the home of one that shares nothing."""
    return SHARED_FOLDER if nodes[0].shares else HOME


def environment(nodes: Sequence[Host]) -> dict[str, str]:
    """Return what the logins of nodes have."""
    return {
        "SLURM_CONF": f"{folder_of(nodes)}/slurm.conf",
        "PYTHONPATH": f"{folder_of(nodes)}/diffusion-search",
        "RAY_DEFAULT_OBJECT_STORE_MAX_MEMORY_BYTES": str(400 * 2**20),
    }


class Slurm:
    """A Slurm cluster, and the folder in which its user works."""

    def __init__(self, laboratory: Laboratory, controller: Host, nodes: Sequence[Host]) -> None:
        """Start Slurm on hosts of a laboratory, and wait until the nodes are idle."""
        self.laboratory, self.controller, self.nodes = laboratory, controller, nodes
        self.folder = folder_of(nodes)
        here = laboratory.shared if nodes[0].shares else laboratory.home(nodes[0].name)
        self.project = here / "diffusion-search"
        self._install()
        key = here / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        named = "".join(NODE.format(name=node.name, address=node.address) for node in nodes)
        proctrack = "cgroup" if FREEZER.is_dir() else "linuxproc"
        main = SLURM_CONF.format(controller=controller, proctrack=proctrack)
        (here / "slurm.conf").write_text(main + named + PARTITION)
        (here / "cgroup.conf").write_text(CGROUP_CONF)
        for host in dict.fromkeys((controller, *nodes)):
            laboratory.run(host.name, f"mkdir -p /run/munge && munged --force --key-file={self.folder}/munge.key")
        laboratory.run(controller.name, "slurmctld")
        for node in nodes:
            laboratory.run(node.name, self._start_node(node))
        wait_for(lambda: self.login("sinfo --noheader --format %T").split() == ["idle"], "idle nodes", 60)

    def login(self, command: str, seconds: float = 60, check: bool = True) -> str:
        """Run a command where jobs are submitted, in the project's folder; return what it printed."""
        at = f"cd {self.folder}/diffusion-search && {command}"
        return self.laboratory.run(self.controller.name, at, seconds, check)

    def submit(self, command: str) -> int:
        """Submit a job with `sbatch` and return its number."""
        return int(self.login(f"sbatch --parsable {command}"))

    def shown(self, job: int, field: str) -> str:
        """Return a field of a job, such as JobState."""
        return re.findall(rf"\b{field}=(\S+)", self.login(f"scontrol show job {job}"))[0]

    def wait_for_report(self, job: int, search: Watched) -> None:
        """Wait until a trial of a job's search has reported and goes on."""
        wait_for(lambda: search.under_way() or self._has_ended(job), f"a report of job {job}", 900, 1)
        assert search.under_way(), self.printed(job)[-4000:]

    def wait_for_end(self, job: int, seconds: float = 900) -> str:
        """Wait until a job has ended for good, and return its state."""
        wait_for(lambda: self._has_ended(job), f"the end of job {job}", seconds, 2)
        return self.shown(job, "JobState")

    def printed(self, job: int) -> str:
        """Return what a job has printed so far."""
        log = self.project / f"slurm-{job}.out"
        return log.read_text() if log.exists() else ""

    def left(self, node: Host) -> list[str]:
        """Return what jobs have left on a node: folders on its disk, and processes."""
        folders = [path.name for path in (self.laboratory.folder / "hosts" / node.name / "tmp").glob("slurm-*")]
        lines = self.laboratory.run(node.name, "ps -eo args=").splitlines()
        return folders + [line for line in lines if re.search(r"raylet|gcs_server|ray::|search/run|slurmstepd", line)]

    def remove_groups(self) -> None:
        """Remove the control groups of the nodes, after the laboratory has ended."""
        for node in self.nodes:
            for folder, _, _ in os.walk(self._group(node), topdown=False):
                wait_for(lambda folder=Path(folder): _removed(folder), f"the end of the processes in {folder}")

    def _has_ended(self, job: int) -> bool:
        return self.shown(job, "JobState") in ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")

    def _start_node(self, node: Host) -> str:
        if not FREEZER.is_dir():
            return f"slurmd -N {node.name}"
        return START_NODE.format(group=self._group(node), name=node.name)

    def _group(self, node: Host) -> Path:
        return FREEZER / f"laboratory-{os.getpid()}-{node.name}"

    def _install(self) -> None:
        listing = ["git", "-C", str(REPOSITORY), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        names = subprocess.run(listing, check=True, capture_output=True, text=True).stdout.split("\0")
        for name in names:
            if name and not name.startswith(("tests/", "docs/")):
                copy = self.project / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(REPOSITORY / name, copy)
        (self.project / ".venv").symlink_to(sys.prefix)


def _removed(group: Path) -> bool:
    try:
        group.rmdir()
    except OSError:  # processes in it are about to end
        return False
    return True
