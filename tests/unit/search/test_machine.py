"""What a search finds on its machine."""

import warnings

import pytest
import torch

from search.machine import this_machine

WARNING = (
    "CUDA initialization: The NVIDIA driver on your system is too old (found version 12040). Please update your GPU "
    "driver. (Triggered internally at CUDAFunctions.cpp:119.)"
)


@pytest.mark.parametrize("works", [True, False])
def test_a_gpu_that_torch_cannot_use_is_none_and_a_line_says_why(works: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_available() -> bool:
        if not works:
            warnings.warn(WARNING, stacklevel=1)
        return works

    monkeypatch.setattr(torch.cuda, "is_available", is_available)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    said: list[str] = []
    assert this_machine(said.append).gpus == (2 if works else 0)
    assert len(said) == (0 if works else 1)
    assert all("because torch cannot use the GPU: CUDA initialization: The NVIDIA driver" in line for line in said)
    assert not any("Triggered" in line for line in said)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_where_there_is_no_gpu_nothing_is_said() -> None:
    said: list[str] = []
    assert this_machine(said.append).gpus == 0
    assert not said
