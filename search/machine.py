"""The cores and GPUs that a search runs on: values, without a connection to anything."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from trainables.cores import usable_cores
from trainables.domain import UsageError


class MachineError(UsageError):
    """A machine or cluster that cannot be used."""


@dataclass(frozen=True)
class Machine:
    """Cores and GPUs that trials can have."""

    cpus: int
    gpus: int

    def slots(self, cpus_per_trial: float, gpus_per_trial: float) -> int:
        """Return how many trials can run at a time; trials that take less than one GPU share it."""
        by_cpu = math.floor(self.cpus / cpus_per_trial)
        if gpus_per_trial == 0:
            return by_cpu
        if gpus_per_trial < 1:
            return min(by_cpu, self.gpus * math.floor(1 / gpus_per_trial + 1e-9))  # 1 / (1 / 49) is less than 49
        return min(by_cpu, math.floor(self.gpus / gpus_per_trial))


@dataclass(frozen=True)
class Cluster:
    """Machines that trials run on; each trial runs on one of them."""

    machines: tuple[Machine, ...]

    @property
    def cpus(self) -> int:
        """The most cores that one trial can have."""
        return max(machine.cpus for machine in self.machines)

    @property
    def gpus(self) -> int:
        """The most GPUs that one trial can have."""
        return max(machine.gpus for machine in self.machines)

    def slots(self, cpus_per_trial: float, gpus_per_trial: float) -> int:
        """Return how many trials can run at a time."""
        return sum(machine.slots(cpus_per_trial, gpus_per_trial) for machine in self.machines)


def this_machine(say: Callable[[str], object] = lambda line: None) -> Machine:
    """Return what this process may use: cores by its affinity mask and control group, and the GPUs that torch can use.

    Where there are GPUs that it cannot use, as with an old driver, `say` is told why.
    """
    import torch  # takes two seconds, and --help has no need of it

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        works = torch.cuda.is_available()
    if not works and told:
        reason = str(told[-1].message).partition(" (Triggered")[0].splitlines()[0]
        say(f"trials train on the CPU, because torch cannot use the GPU: {reason}")
    cores = usable_cores()
    # The driver's library counts the GPUs, whether torch can use them or not.
    return Machine(cpus=min(cores, _cgroup_cpus() or cores), gpus=torch.cuda.device_count() if works else 0)


def _cgroup_cpus() -> int | None:
    """Return the whole cores that a control group (version 2) grants, as to a container; None without a limit."""
    limit = Path("/sys/fs/cgroup/cpu.max")
    if not limit.is_file():
        return None
    quota, _, period = limit.read_text().partition(" ")
    return None if quota == "max" else max(1, int(quota) // int(period))
