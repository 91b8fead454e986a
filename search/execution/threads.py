"""The threads of a trial: as many as `--cpus-per-trial` says, whatever the environment does."""

import os

from analysis.text.words import counted

# The number of threads of numpy's eigenvalue routines decides the last bits of an FMD, so it is always one. OpenMP must
# not bind threads to cores, as Slurm scripts ask it to: all trials of a machine would compute on the same cores.
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_PROC_BIND": "false"}
"""What the environment of a process that trains is to say."""
OF_TORCH = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def threads_of(cpus_per_trial: float) -> int:
    """Return the threads of a trial, at least one."""
    return max(1, int(cpus_per_trial))


def take_threads(count: int) -> None:
    """Let torch compute with so many threads in this process."""
    import torch  # takes two seconds; the modules that import this one do not all need it

    torch.set_num_threads(count)


def overruled(cpus_per_trial: float) -> str:
    """Return one line that names the environment variables that trials ignore; empty where none disagrees."""
    count = threads_of(cpus_per_trial)
    asked = {**dict.fromkeys(OF_TORCH, str(count)), "OPENBLAS_NUM_THREADS": "1"}
    other = [f"{name}={os.environ[name]}" for name in asked if os.environ.get(name, asked[name]) != asked[name]]
    if not other:
        return ""
    return f"trials do not follow {', '.join(other)}: each has {counted(count, 'thread')}, as --cpus-per-trial says"
