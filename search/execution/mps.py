"""NVIDIA's MPS, with which kernels of several processes run on a GPU at the same time instead of by turns.

A search starts a daemon of its own, where the program is installed and a test process works with it.
https://docs.nvidia.com/deploy/mps/
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

CONTROL = "nvidia-cuda-mps-control"
PIPES, LOGS = "CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY"
# A process that finds no daemon runs without one, so a running server is the sign that MPS is in use.
WORKS = f"""
import subprocess, torch
assert float(torch.ones(2, device="cuda").sum()) == 2
servers = subprocess.run(["{CONTROL}"], input="get_server_list\\n", capture_output=True, text=True)
assert servers.stdout.strip().isdecimal()
"""
PATIENCE = 120.0  # seconds, most of them for the import of torch on a busy machine


@contextmanager
def mps() -> Iterator[bool]:
    """Let processes that start in the body of the `with` share GPUs through MPS, and yield whether they do.

    A daemon that the user started is used and left running; CUDA_MPS_PIPE_DIRECTORY shows it.
    """
    if PIPES in os.environ or shutil.which(CONTROL) is None:
        yield PIPES in os.environ
        return
    with tempfile.TemporaryDirectory(prefix="mps-", ignore_cleanup_errors=True) as folder:
        own = {PIPES: folder, LOGS: folder}
        began = _runs([CONTROL, "-d"], own)
        works = began and _runs([sys.executable, "-c", WORKS], own)
        if works:
            os.environ.update(own)
        try:
            yield works
        finally:
            for name in own:
                os.environ.pop(name, None)
            if began:
                _runs([CONTROL], own, "quit -t 5\n")


def _runs(command: list[str], variables: dict[str, str], told: str = "") -> bool:
    """Return whether a command succeeds in time, with these variables added to the environment."""
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **variables},
            input=told,
            text=True,
            stdout=subprocess.DEVNULL,  # not a pipe, which a daemon would keep open
            stderr=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
