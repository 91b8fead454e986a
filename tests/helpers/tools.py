"""What several tests take: a clock of their own, a way to wait, scripts outside the packages."""

import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


class Clock:
    """A clock that goes when it is told to."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


def until(ready: Callable[[], object], seconds: float = 90) -> None:
    """Ask again and again until the answer is yes; fail after so many seconds."""
    last = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < last, "it never came true"
        time.sleep(0.02)


def load_benchmark(name: str) -> ModuleType:
    """Return a script of tests/benchmarks/ as a module."""
    return load_script(Path(__file__).parents[1] / "benchmarks" / f"{name}.py")


def load_script(path: Path) -> ModuleType:
    """Return a script as a module."""
    spec = importlib.util.spec_from_file_location(f"script_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for the module of their annotations
    sys.path.append(str(path.parent))  # where Python puts it that runs a script
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module


def load_driver(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the script that drives the parts of a search as Ray Tune does; the clocks are restored after the test."""
    module = load_benchmark("overhead")
    for part in (module.terminal, module.budget, module.time_spent, module.recorder):
        monkeypatch.setattr(part, "time", part.time)
    return module
