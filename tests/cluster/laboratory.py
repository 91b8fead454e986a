"""Hosts on one machine, to run a cluster for real: Linux namespaces, each with an sshd, on a bridge that leads nowhere.

A host has its own network, processes, /tmp, /root, /dev/shm and host name, and sees the machine's programs. All live
inside one outer set of namespaces, and end when its first process does: with the laboratory, or with the tests.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cluster.commands import Command, wait_for

HOST_SCRIPT = Path(__file__).with_name("host.sh")
REPOSITORY = Path(__file__).parents[2]
PROGRAMS = ("unshare", "nsenter", "setpriv", "ip", "sshd", "ssh", "ssh-keygen", "rsync", "tmux", "curl")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HOME, SHARED_FOLDER = "/root", "/mnt/nfs"
NAMESPACES = ("--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child=KILL")
# The first process of all: alone in a network, with the bridge that hosts are hung on.
FIRST = """
set -e
mount --make-rprivate /
ip link set lo up
ip link add bridge type bridge
ip address add {gateway}/24 dev bridge
ip link set bridge up
touch {ready}
sleep infinity & wait
"""
SSHD_CONFIG = """\
HostKey /mnt/host/etc/host_key
PidFile none
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
MaxStartups 50
MaxSessions 50
SetEnv {environment}
"""


def missing() -> str:
    """Return why there can be no laboratory here, "" where there can be one."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "hosts are made of Linux namespaces, which takes root"
    if absent := [name for name in PROGRAMS if not shutil.which(name, path=SYSTEM_PATH)]:
        return f"{', '.join(absent)} missing (on Debian: apt-get install openssh-server rsync iproute2 tmux curl)"
    tried = subprocess.run(
        ["unshare", *NAMESPACES, "--mount-proc", "true"], check=False, capture_output=True, text=True
    )
    return "" if tried.returncode == 0 else f"no namespaces can be made here: {tried.stderr.strip()}"


@dataclass(frozen=True)
class Host:
    """A machine to be: its name, its address, and what of this machine it sees."""

    name: str
    address: str
    shares: bool = True
    """Whether it sees the shared folder."""
    has_repository: bool = False
    """Whether it sees the project, where it lies, read-only."""


class Laboratory:
    """Hosts that run while this is entered; `folder` then holds what they wrote, and is not cleaned up."""

    def __init__(
        self, folder: Path, hosts: Sequence[Host], environment: dict[str, str], gateway: str = "10.77.0.1"
    ) -> None:
        """Plan the hosts; `environment` is what each of their logins has, `gateway` this machine's address to them."""
        self.folder, self.gateway = folder, gateway
        self.hosts = {host.name: host for host in hosts}
        self.environment = environment
        self.shared = folder / "shared"
        self._pids: dict[str, int] = {}
        self._processes: list[subprocess.Popen[bytes]] = []
        self._commands = 0

    def __enter__(self) -> Self:
        self.shared.mkdir(parents=True)
        (self.folder / "commands").mkdir()
        try:
            self._start_first()
            for number, host in enumerate(self.hosts.values()):
                self._start_host(number, host)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End every process of every host, at once."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()

    def home(self, name: str) -> Path:
        """Return the folder that a host sees as its home."""
        return self.folder / "hosts" / name / "root"

    def start(self, name: str | None, command: str, seconds: float = 600) -> Command:
        """Start a shell command as a user of the host would, with the environment of the tests on the path.

        Without a host it runs on the bridge, where `gateway` is the address. It is killed after so many seconds.
        """
        self._commands += 1
        output = self.folder / "commands" / f"{self._commands:03d}.txt"
        at_home = REPOSITORY if name is None or self.hosts[name].has_repository else HOME
        known = {
            "HOME": str(self.folder) if name is None else HOME,
            "PATH": f"{sys.prefix}/bin:{SYSTEM_PATH}",
            "LANG": "C.UTF-8",
            "TERM": "xterm",
        }
        shell = f"cd {shlex.quote(str(at_home))} && {command}"
        output.write_text(f"[{name}] {command}\n")
        return Command(
            [
                *self._entering(name),
                *("env", "-i", *(f"{key}={value}" for key, value in {**known, **self.environment}.items())),
                *("timeout", "--kill-after=5", str(seconds), "bash", "-c", shell),
            ],
            output,
        )

    def run(self, name: str | None, command: str, seconds: float = 600, check: bool = True) -> str:
        """Run a shell command on a host and return what it printed; see `start`.

        Raises:
            RuntimeError: it failed, if that is to be checked.
        """
        started = self.start(name, command, seconds)
        if started.wait() and check:
            raise RuntimeError(f"{name}: {command}\nended with {started.returncode}:\n{started.printed()[-4000:]}")
        return started.printed()

    def plug(self, name: str, in_: bool) -> None:
        """Pull a host's network cable, or plug it in again: it hears nothing and nobody is told."""
        self._ip("link", "set", self._cable(name), "up" if in_ else "down")

    def renew(self, name: str) -> None:
        """Take a host away with all that is its own, and put a new one of its name and address in its place."""
        os.kill(self._pids.pop(name), signal.SIGKILL)
        wait_for(lambda: self._cable(name) not in self._ip("link", "show"), f"the end of {name}", 20)
        shutil.rmtree(self.folder / "hosts" / name)
        self._start_host(list(self.hosts).index(name), self.hosts[name])

    def running(self, name: str, pattern: str) -> list[int]:
        """Return the host's own numbers of its processes whose command line has the pattern."""
        lines = [line.split(maxsplit=1) for line in self.run(name, "ps -eo pid=,args=").splitlines()]
        return [int(number) for number, line in lines if re.search(pattern, line)]

    def _start_first(self) -> None:
        ready = self.folder / "ready"
        script = FIRST.format(gateway=self.gateway, ready=shlex.quote(str(ready)))
        # Killed with the tests even if these are killed, and everything inside with it.
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", *NAMESPACES, "--mount-proc", "bash", "-c", script]
        first = self._spawn(command, "first")
        wait_for(ready.exists, "the first process of the laboratory", 20)
        self._first = _child(first.pid)

    def _start_host(self, number: int, host: Host) -> None:
        folder = self.folder / "hosts" / host.name
        self._furnish(folder)
        kept = [sys.prefix, sys.base_prefix, *([str(REPOSITORY)] if host.has_repository else [])]
        script = [str(HOST_SCRIPT), str(folder), host.name, host.address, self.gateway, str(REPOSITORY)]
        script += [str(self.shared) if host.shares else "none", *sorted(set(kept), key=len)]
        process = self._spawn([*self._entering(None), "unshare", *NAMESPACES, "bash", *script], host.name)
        wait_for((folder / "unshared").exists, f"the namespaces of {host.name}", 20)
        self._pids[host.name] = _child(_child(process.pid))
        self._ip("link", "add", self._cable(host.name), "type", "veth", "peer", "name", "eth0")
        self._ip("link", "set", "eth0", "netns", str(self._pids[host.name]))
        self._ip("link", "set", self._cable(host.name), "master", "bridge", "up")
        wait_for((folder / "ready").exists, f"the sshd of {host.name}", 20)

    def _furnish(self, folder: Path) -> None:
        """Make what is a host's alone: an account as Debian makes one, and what its sshd reads."""
        for name in ("root", "tmp", "etc"):
            (folder / name).mkdir(parents=True)
        (folder / "tmp").chmod(0o1777)
        for name in (".profile", ".bashrc"):
            shutil.copy(Path("/etc/skel") / name, folder / "root")
        known = "".join(f"{host.address} {host.name}\n" for host in self.hosts.values())
        (folder / "etc/hosts").write_text(f"127.0.0.1 localhost\n{known}")
        environment = " ".join(f'"{key}={value}"' for key, value in self.environment.items())
        (folder / "etc/sshd_config").write_text(SSHD_CONFIG.format(environment=environment))
        key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "etc/host_key")]
        subprocess.run(key, check=True)

    def _spawn(self, command: list[str], name: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._processes.append(process)
        return process

    def _entering(self, name: str | None) -> list[str]:
        return ["nsenter", "--target", str(self._first if name is None else self._pids[name]), "--all", "--"]

    def _ip(self, *arguments: str) -> str:
        command = ["nsenter", "--target", str(self._first), "--net", "--", "ip", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def _cable(self, name: str) -> str:
        return f"cable{list(self.hosts).index(name)}"


def _child(process: int) -> int:
    """Return the number of the one child of a process."""
    children = Path(f"/proc/{process}/task/{process}/children")
    return int(wait_for(lambda: children.read_text().split(), f"a child of process {process}", 20)[0])
