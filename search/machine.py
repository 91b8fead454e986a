"""What a search runs on: the cores and GPUs of this machine, and the connection to Ray."""

from __future__ import annotations

import logging
import math
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START_ATTEMPTS = 2


class MachineError(ValueError):
    """A cluster that cannot be reached; one line, what was given and what would be right."""


@dataclass(frozen=True)
class Machine:
    """Cores and GPUs that trials can have."""

    cpus: int
    gpus: int

    def slots(self, cpus_per_trial: float, gpus_per_trial: float) -> int:
        """Return how many trials can run at a time; a trial that takes less than one GPU shares it."""
        by_cpu = math.floor(self.cpus / cpus_per_trial)
        if gpus_per_trial == 0:
            return by_cpu
        by_gpu = (
            self.gpus * math.floor(1 / gpus_per_trial + 1e-9) if gpus_per_trial < 1 else self.gpus // gpus_per_trial
        )
        return min(by_cpu, int(by_gpu))


def this_machine() -> Machine:
    """Return what this process may use: cores by its affinity mask and control group, and the GPUs that torch sees."""
    import torch  # takes seconds, and --help has no need of it

    cores = len(os.sched_getaffinity(0))
    return Machine(cpus=min(cores, _cgroup_cpus() or cores), gpus=torch.cuda.device_count())


def start_ray(machine: Machine, data_bytes: int) -> None:
    """Start a Ray of our own on this machine, silent and for this process alone; `data_bytes` is what trials share.

    Ray >= 2.59 turns its token authentication on by default and would write a token into the user's home, which later
    changes how `ray start` behaves there. A random token in the environment keeps the protection and leaves no file.

    Raises:
        MachineError: the machine is too busy for Ray.
    """
    if "RAY_AUTH_TOKEN_PATH" not in os.environ:
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    # Ray starts idle workers ahead of need; Tune's trials, which have an environment of their own, never use them.
    os.environ |= {"RAY_prestart_worker_first_driver": "0"}
    for _ in range(START_ATTEMPTS):
        try:
            return connect(
                address="local",
                num_cpus=machine.cpus,
                num_gpus=machine.gpus,
                # Trials share the data set and the reference and report a few numbers: a fixed margin is enough.
                object_store_memory=2 * data_bytes + 200 * 2**20,
                include_dashboard=False,
            )
        except Exception as error:  # Ray raises nothing narrower, after 30 seconds that cannot be set
            if "timed out during startup" not in str(error):
                raise
            _shut_down()
    raise MachineError(
        "Ray did not start, twice within 30 seconds: the machine is too busy; try again when it is less so"
    )


def _shut_down() -> None:
    import ray

    ray.shutdown()


def connect(**options: Any) -> None:
    """Connect to Ray with these options of `ray.init`, silent."""
    _quiet()
    import ray

    ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)


def _quiet() -> None:
    """Turn off what Ray and Tune write besides our own display; Tune reads some of these when it is imported."""
    os.environ |= {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AIR_NEW_OUTPUT": "0",
        "RAY_CHDIR_TO_TRIAL_DIR": "0",
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
        "TUNE_DISABLE_SIGINT_HANDLER": "1",
        # Tune's snapshots serve Tuner.restore, which is not used: the run's log and study are all that a resume reads.
        "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
    }


def _cgroup_cpus() -> int | None:
    """Return the whole cores that a control group (version 2) grants, as to a container; None without a limit."""
    limit = Path("/sys/fs/cgroup/cpu.max")
    quota, _, period = limit.read_text().partition(" ") if limit.is_file() else ("max", "", "")
    return None if quota == "max" else max(1, int(quota) // int(period))
