"""What several tests take: a clock of their own, trials that were never trained, the scripts of tests/benchmarks/."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from analysis.run.run import Event, Run

IMAGES = (1_000, 3_000, 9_000)


class Clock:
    """A clock that goes when it is told to."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


def add_trial(
    run: Run, variant: Event, fmds: list[float], state: str = "COMPLETE", baseline: str = "", **more: object
) -> None:
    """Append a trial with a report for each FMD, at `IMAGES`; keywords change the reports."""
    number = run.trials().num_rows
    trial = f"{number:03d}"
    run.append(
        {"event": "start", "trial": trial, "number": number, "seed": 0, "baseline": baseline, "variant": variant}
    )
    for rung, fmd in enumerate(fmds):
        measured = {"images_seen": IMAGES[rung], "rung": rung, "fmd": fmd, "fmd_se": 1.0, "diverged": False}
        run.append({"event": "report", "trial": trial, **measured, **more})
    if state != "RUNNING":
        run.append({"event": "end", "trial": trial, "state": state})


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
    """Return the script that drives the parts of a search as Ray Tune does; their clocks are put back afterwards."""
    module = load_benchmark("overhead")
    for part in (module.display, module.ledger, module.recorder):
        monkeypatch.setattr(part, "time", part.time)
    return module
