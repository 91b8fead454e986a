"""What several tests take: a clock of their own, trials that were never trained, the scripts of tests/benchmarks/."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from analysis.run.events import End, Start, State
from analysis.run.run import Run
from trainables.config import Flat
from trainables.report import Report

IMAGES = (1_000, 3_000, 9_000)


class Clock:
    """A clock that goes when it is told to."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


def add_trial(
    run: Run, variant: Flat, fmds: list[float], state: State = "COMPLETE", baseline: str = "", **more: object
) -> None:
    """Append a trial with a report for each FMD, at `IMAGES`; keywords change the reports."""
    number = run.trials().num_rows
    trial = f"{number:03d}"
    run.append(Start(trial, number, seed=0, baseline=baseline, variant=variant))
    for rung, fmd in enumerate(fmds):
        measured = {"images_seen": IMAGES[rung], "rung": rung, "fmd": fmd, "fmd_se": 1.0, **more}
        run.append(Report.from_dict({"trial": trial, **measured}))
    if state != "RUNNING":
        run.append(End(trial, state))


def load_benchmark(name: str) -> ModuleType:
    """Return a script of tests/benchmarks/ as a module."""
    folder = Path(__file__).parents[1] / "benchmarks"
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for the module of their annotations
    sys.path.append(str(folder))  # where Python puts it that runs a script
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(folder))
    return module


def load_driver(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the script that drives the parts of a search as Ray Tune does; the clocks are restored after the test."""
    module = load_benchmark("overhead")
    for part in (module.terminal, module.budget, module.recorder):
        monkeypatch.setattr(part, "time", part.time)
    return module
