"""NVIDIA's MPS, by which the kernels of several processes run on a GPU at the same time, and not by turns.

A daemon of this search alone, where its program is installed and processes are seen to work with it; else nothing.
https://docs.nvidia.com/deploy/mps/
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

CONTROL = "nvidia-cuda-mps-control"
PIPES, LOGS = "CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY"
# A process that finds no daemon runs without one: only a server that is there while it computes says that it did.
WORKS = f"""
import subprocess, torch
assert float(torch.ones(2, device="cuda").sum()) == 2
servers = subprocess.run(["{CONTROL}"], input="get_server_list\\n", capture_output=True, text=True)
assert servers.stdout.strip().isdecimal()
"""
PATIENCE = 120.0  # seconds; torch takes most of them to import on a busy machine


@contextmanager
def mps() -> Iterator[bool]:
    """Have processes that begin meanwhile share GPUs through MPS, and yield whether they do.

    A daemon that the user has started, as CUDA_MPS_PIPE_DIRECTORY says, is left as it is.
    """
    if PIPES in os.environ or shutil.which(CONTROL) is None:
        yield PIPES in os.environ
        return
    with tempfile.TemporaryDirectory(prefix="mps-", ignore_cleanup_errors=True) as folder:
        own = {PIPES: folder, LOGS: folder}
        began = _runs([CONTROL, "-d"], own)
        works = began and _runs([sys.executable, "-c", WORKS], own)
        os.environ |= own if works else {}
        try:
            yield works
        finally:
            for name in own:
                os.environ.pop(name, None)
            if began:
                _runs([CONTROL], own, "quit -t 5\n")


def _runs(command: list[str], variables: dict[str, str], told: str = "") -> bool:
    """Return whether a command, with these variables beside those there are, ends well and in time."""
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
