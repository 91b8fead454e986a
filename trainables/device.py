"""What a trial makes of the device that it runs on: its precision, its memory, its share of it."""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Of mallopt(3), and as much as glibc allows. Up to MMAPPED bytes come from the heap, of which at most TRIMMED lie free.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
TRIMMED, MMAPPED = 2**30, 32 * 2**20
CONTEXT = 600 * 2**20  # bytes that CUDA itself takes of a GPU for a process: 300 to 500 MB, and some room


class OutOfMemory(MemoryError):
    """A trial takes more than its share of a GPU's memory."""


def multiplies_bf16(device: torch.device) -> bool:
    """Return whether the device has hardware for products of bf16.

    Without, they are emulated, 1.6 to 16 times slower than float32 on a CPU. With AVX512_BF16 the networks here train
    1.2 to 3.6 times as fast as in float32 (tests/benchmarks/networks.py), with AMX the starter 2.7 times.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()


def keep_freed() -> None:
    """Have glibc keep for this process what is freed: the next training step wants as much again.

    By its own measure it gives most of it back to the system and gets it anew, zeroed, a fault for each page: 3 % of
    the starter's steps (tests/benchmarks/training_speed.py). Another libc is left as it is.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_TRIM_THRESHOLD, TRIMMED)
        libc.mallopt(M_MMAP_THRESHOLD, MMAPPED)


def finish(device: torch.device) -> None:
    """Wait until the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def free_bytes(device: torch.device) -> int:
    """Return the bytes of the device's memory that are free."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def share_of(device: torch.device, share: float) -> Iterator[None]:
    """Keep this process to a share of a GPU's memory, from 0 to 1, so that it cannot take that of others.

    Processes are reused for many trials: what the last one left on the device is given back first.

    Raises:
        OutOfMemory: what was done meanwhile takes more.
    """
    gc.collect()
    if device.type != "cuda":
        yield
        return
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(device).total_memory
    allowed = 1.0 if share >= 1 else max(share - CONTEXT / total, 0.01)
    torch.cuda.set_per_process_memory_fraction(allowed)
    try:
        yield
    except torch.OutOfMemoryError:
        room = f"{allowed * total / 2**30:.1f} GiB"
        advice = "its GPU is too small" if share >= 1 else "give a smaller --trials-per-gpu"
        raise OutOfMemory(f"it takes more of the GPU's memory than it may, {room}; {advice}") from None
