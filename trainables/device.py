"""Devices: precision, memory, and a trial's share of a GPU."""

import ctypes
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Parameters of mallopt(3), at the largest values that glibc allows: allocations of up to MMAPPED bytes come from the
# heap, and up to TRIMMED free bytes at its end stay with the process.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
TRIMMED, MMAPPED = 2**30, 32 * 2**20
CONTEXT = 600 * 2**20  # bytes of a GPU that CUDA itself takes for a process: 300 to 500 MB, with a margin


class OutOfMemory(MemoryError):
    """A trial takes more than its share of a GPU's memory."""


def is_faster_in_bf16(device: torch.device) -> bool:
    """Return whether networks train faster in bf16 than in float32 on the device.

    With AMX the starter trains 2.7 times as fast, and with AVX512_BF16 on an AMD EPYC the networks here 1.2 to 3.6
    times. With AVX512_BF16 on an Intel Xeon whose AMX is hidden they take 1.5 to 1.8 times as long as in float32, and
    on a CPU without either 1.6 to 16 times (tests/benchmarks/networks.py).
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    told = torch.cpu.get_capabilities()
    return told.get("amx_bf16", False) or (told.get("avx512_bf16", False) and "AMD" in told.get("cpu_name", ""))


def fastest() -> torch.device:
    """Return the GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def keep_freed() -> None:
    """Set glibc to keep freed memory for this process, because the next training step allocates as much again.

    By default glibc returns most of it to the system and gets it anew, with a page fault for each page: 3 % of the time
    of the starter's steps (tests/benchmarks/training_speed.py). With another libc nothing is set.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_TRIM_THRESHOLD, TRIMMED)
        libc.mallopt(M_MMAP_THRESHOLD, MMAPPED)


@contextmanager
def exact_float32() -> Iterator[None]:
    """Let kernels compute float32 in float32 while this is entered; cuDNN's convolutions use TF32 by default.

    TF32 has 10 bits of a float32's 23, and no CPU has it. In a process that has called `torch.export.export`
    convolutions do not follow the general setting any more, so theirs is set, too.
    """
    convolutions = torch.backends.cudnn.conv  # type: ignore[attr-defined]  # torch declares it without a type
    before = convolutions.fp32_precision
    with torch.backends.flags(fp32_precision="ieee"):
        convolutions.fp32_precision = "ieee"
        try:
            yield
        finally:
            convolutions.fp32_precision = before


def finish(device: torch.device) -> None:
    """Wait until the device has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def free_bytes(device: torch.device) -> int:
    """Return the free bytes of the device's memory."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def share_of(device: torch.device, share: float) -> Iterator[None]:
    """Limit this process to a share of a GPU's memory, from 0 to 1.

    Processes are reused for many trials, so the memory of the last trial is freed first.

    Raises:
        OutOfMemory: the body of the `with` takes more.
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
