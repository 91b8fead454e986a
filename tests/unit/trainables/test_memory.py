"""The process's memory: what a step frees is there for the next."""

import platform
import subprocess
import sys

import pytest

# Six tensors of 16 MB at once, forty times; by the twentieth the heap has settled.
STEPS = """
import resource, torch
from trainables.device import keep_freed

keep_freed()
for step in range(40):
    if step == 20:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    tensors = [torch.ones(4 * 2**20) for _ in range(6)]
    del tensors
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
PAGES = 6 * 16 * 2**20 // 4096  # of a step; by itself glibc mostly gives back all of them, twenty times


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to keep memory")
def test_what_is_freed_comes_back_without_page_faults() -> None:
    done = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True, check=True)
    assert int(done.stdout) < PAGES / 100
