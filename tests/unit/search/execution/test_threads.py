"""The threads of a trial do not follow the environment."""

import pytest
import torch

from search.execution.threads import OF_TORCH, overruled, take_threads, threads_of


@pytest.mark.parametrize(("cpus", "threads"), [(0.25, 1), (1, 1), (1.9, 1), (2, 2), (4.0, 4)])
def test_a_trial_has_a_thread_for_each_of_its_cores(cpus: float, threads: int) -> None:
    assert threads_of(cpus) == threads


def test_what_the_environment_says_otherwise_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*OF_TORCH, "OPENBLAS_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    assert overruled(1) == overruled(4) == ""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert overruled(1) == ""
    assert overruled(4) == "trials do not follow OMP_NUM_THREADS=1: each has 4 threads, as --cpus-per-trial says"
    monkeypatch.setenv("OMP_NUM_THREADS", "16")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "16")
    expected = "OMP_NUM_THREADS=16, OPENBLAS_NUM_THREADS=16: each has 1 thread, as --cpus-per-trial says"
    assert overruled(1) == f"trials do not follow {expected}"


def test_threads_are_taken_after_torch_has_read_the_environment() -> None:
    take_threads(3)
    assert torch.get_num_threads() == 3
    take_threads(1)
    assert torch.get_num_threads() == 1
