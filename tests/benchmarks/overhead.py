"""What a search costs beside its trials: the driver's CPU time and memory for each trial, up to thousands of them.

    python tests/benchmarks/overhead.py [--trials 10000] [--slots 64 16] [--first-rung 10] [--out DIR]

The plain objects of a session are the real ones and are called in the order in which Ray Tune calls the adapters of
search/execution/tune.py, but the trials train nothing: their FMD is a function of their configuration, and a report
comes when a clock says that it would, after 10 s (half to one and a half) at the first rung and three times as long at
each further one. The clock jumps to the next report; the CPU time of the driver goes on top, so tables are written and
the view is drawn as often as in a search of that pace (10,000 trials on 64 slots: two hours), and a slot waits for the
driver as long as it would: `busy` is the share of the slots' time in which a trial ran. Ray Tune's own work, the way of
a trial into its process and what the disk takes to sync are not in it.
"""

from __future__ import annotations

import argparse
import gc
import heapq
import io
import math
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
from rich.console import Console
from side_by_side import heading, keep, machine, show, verdict

from analysis.run.events import End, Start
from analysis.run.run import Run
from search.history import History
from search.machine import Machine
from search.progress import budget, recorder, terminal, time_spent
from search.progress.notes import Notes
from search.schedulers import SCHEDULERS, Decision
from search.settings import Settings
from search.space.load import load
from search.study.dashboard import Dashboard
from search.study.journal import open_study
from search.study.queue import TrialQueue
from search.time_limit import TimeLimit
from trainables.report import Report

MILESTONES = (100, 200, 500, 1_000, 2_000, 5_000, 10_000)
PARTS = ("suggest", "tell", "scheduler", "log", "tensorboard", "dashboard", "tables", "display", "checkpoints", "other")


class Clock:
    """Seconds of CPU time, which jump where the driver would wait."""

    def __init__(self) -> None:
        self.jumped = -time.process_time()

    def monotonic(self) -> float:
        return time.process_time() + self.jumped

    def jump_to(self, when: float) -> None:
        self.jumped += max(0.0, when - self.monotonic())


class Meter:
    """CPU seconds by part; what a part has done by another one counts for the other."""

    def __init__(self) -> None:
        self.seconds = Counter[str]()
        self._open: list[str] = ["other"]
        self._since = time.process_time()

    def watch(self, owner: Any, method: str, part: str) -> None:
        inner: Callable[..., Any] = getattr(owner, method)

        def watched(*given: Any, **named: Any) -> Any:
            self._switch(part)
            try:
                return inner(*given, **named)
            finally:
                self._switch(None)

        setattr(owner, method, watched)

    def read(self) -> Counter[str]:
        self._charge()
        return self.seconds.copy()

    def _switch(self, part: str | None) -> None:
        self._charge()
        if part is None:
            self._open.pop()
        else:
            self._open.append(part)

    def _charge(self) -> None:
        now = time.process_time()
        self.seconds[self._open[-1]] += now - self._since
        self._since = now


class Driver:
    """A search as `search.searching.search` assembles it, and what Ray Tune does with it."""

    def __init__(self, folder: Path, given: dict[str, Any], slots: int, first_rung: float = 10.0) -> None:
        """Begin a search in `folder`, or go on with that which is there; trials take `first_rung` seconds to theirs."""
        self.clock, self._first_rung = Clock(), first_rung
        for module in (terminal, budget, time_spent, recorder):
            module.time = SimpleNamespace(monotonic=self.clock.monotonic, time=time.time)  # type: ignore[attr-defined]
        space = load(given["space"], {})
        machine = Machine(cpus=slots, gpus=0)
        self.settings = Settings.resolve({**given, "name": "run"}, space.given, space.digest, machine)
        self.run = Run.open(folder / "run") if (folder / "run").exists() else Run.create(folder, "run")
        self.budget = budget.Budget(1e9, began=self.clock.monotonic())
        ladder = (self.settings.rungs, self.settings.reduction_factor)
        self.scheduler = SCHEDULERS[self.settings.scheduler](*ladder, space.unstopped)
        history = History(self.run.events(), self.scheduler)
        self._console = Console(file=io.StringIO(), force_terminal=True, width=120, height=50)
        self.display = terminal.Display(self.settings, Notes(self.budget, self._console))
        self.display.note = lambda text: None  # type: ignore[method-assign]  # a line of its own, not redrawn
        self.study = open_study(self.run.study_file, self.settings, space, history, self.display.note)
        self.queue = TrialQueue(self.settings, space, self.study, self.scheduler)
        for name, state in self.queue.resume(history):
            self.run.append(End(name, state))
            history.ended[name] = state
        self.dashboard = Dashboard(self.run, self.study)
        self.recorder = recorder.Recorder(
            self.run,
            history,
            self.display,
            self.queue.tries,
            paused=self.scheduler.paused,
            kept_checkpoints=self.settings.kept_checkpoints,
            dashboard=self.dashboard,
        )
        self.queue.on_prune = self.recorder.on_prune
        self.limit = TimeLimit(self.scheduler, self.budget.left)
        self.begun, self.busy = 0, 0.0
        self._ends: list[tuple[float, int, Start, float]] = []
        self._rung: dict[int, int] = {}

    def watch(self, meter: Meter) -> None:
        """Charge what the parts do from now on."""
        meter.watch(self.queue, "next_trial", "suggest")
        for method in ("on_report", "on_end", "_prune"):
            meter.watch(self.queue, method, "tell")
        meter.watch(self.limit, "on_report", "scheduler")
        meter.watch(self.run, "append", "log")
        for method in ("start", "report", "end"):
            meter.watch(self.recorder._tensorboard, method, "tensorboard")
        meter.watch(self.dashboard, "report", "dashboard")
        meter.watch(self.recorder, "write", "tables")
        meter.watch(self.recorder._checkpoints, "on_end", "checkpoints")
        for method in ("started", "reported", "left", "refresh"):
            meter.watch(self.display, method, "display")

    def fit(self, told: Callable[[], None]) -> None:
        """Run to the end; `told` is called after each report."""
        self.display.open(self.queue.interrupted)
        while True:
            while len(self._ends) < self.settings.slots and self._start():
                pass
            if not self._ends:
                break
            self._step()
            told()
        self.queue.finish()
        self.display.close()
        self.recorder.write(status="done")
        self.recorder.close()

    def _start(self) -> bool:
        start = self.queue.next_trial()
        if start is None:
            return False
        self.recorder.on_start(start)
        again = start.number in self._rung
        self.begun += 0 if again else 1
        self._wait_for(start, again)
        return True

    def _wait_for(self, start: Start, again: bool) -> None:
        """Plan a trial's next report; one that continues after a pause repeats its last report, at once."""
        number = start.number
        rung = self._rung[number] = self._rung.get(number, -1) + (0 if again else 1)
        rng = random.Random(number * 10 + rung)
        seconds = 0.1 if again else self._first_rung * (1 if rung == 0 else 2 * 3 ** (rung - 1)) * rng.uniform(0.5, 1.5)
        heapq.heappush(self._ends, (self.clock.monotonic() + seconds, number, start, seconds))

    def _step(self) -> None:
        when, number, start, seconds = heapq.heappop(self._ends)
        self.clock.jump_to(when)
        self.busy += seconds
        report = self._report(start, self._rung[number])
        leaves = self.limit.on_report(number, report) is not Decision.CONTINUE
        if not leaves:
            self.queue.on_report(start, report)
        self.recorder.on_report(start, report, leaves)
        if leaves:
            self.queue.on_end(start, report, failed=False)
            self.recorder.on_end(start)
        else:
            self._wait_for(start, again=False)
        self.recorder.on_step()
        self._console.file.seek(0)
        self._console.file.truncate(0)

    def _report(self, start: Start, rung: int) -> Report:
        """Do what the trial's process does: pictures and checkpoint first."""
        name = start.trial
        for path in (self.run.picture(name, "samples"), self.run.picture(name, "degradation")):
            path.write_bytes(_PNG)
        (self.run.checkpoints / f"{name}.pt").write_bytes(b"weights")
        fmd = objective(dict(start.variant), rung, start.number)
        numbers = {entry.name: 0.5 + fmd / 1e4 for entry in fields(Report) if entry.type == "float"}
        ten = tuple(0.5 + fmd / 1e4 + i / 10 for i in range(10))
        made = Report.from_dict({**numbers, "trial": name, "images_seen": self.settings.rungs[rung], "rung": rung})
        made = replace(made, fmd=fmd, fmd_normalised=fmd / 1000, diverged=fmd > 900, time=0.0)
        return replace(made, loss_by_t=ten, ssim_by_t=ten, images_per_second=1e9, parameters=181_108, nfe=20)


def objective(variant: dict[str, Any], rung: int, number: int) -> float:
    """Return a value that falls with the rungs and is low for some learning rates, degradations and samplers."""
    rng = random.Random(str(sorted((k, v) for k, v in variant.items() if "kind" in k)))
    asymptote = 20 + 100 * rng.random() + 60 * abs(math.log10(variant["training/lr"] / 3e-3)) ** 1.5
    noise = random.Random(number * 10 + rung).gauss(1, 0.03)
    return (asymptote + 300 * rng.random() * 3.0**-rung) * noise


def _png() -> bytes:
    import numpy as np
    import torch

    from trainables.data.load import load as load_images
    from trainables.diffusion.generation import grid_png

    digits = torch.from_numpy(np.ascontiguousarray(load_images("mnist").train[:64]))
    return grid_png(digits.unflatten(0, (-1, 8)))


_PNG = _png()


def resident() -> float:
    """Return MB of memory that this process holds."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure(
    given: dict[str, Any], slots: int, first_rung: float, milestones: list[int], folder: Path
) -> list[dict[str, Any]]:
    """Return one row a stretch between milestones."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    driver, meter = Driver(folder, given, slots, first_rung), Meter()
    driver.watch(meter)
    rows: list[dict[str, Any]] = []
    state = {"trials": 0, "memory": resident(), "wall": time.monotonic(), "cpu": meter.read()}
    state |= {"busy": 0.0, "clock": driver.clock.monotonic()}

    def told() -> None:
        if driver.begun >= milestones[len(rows)]:
            rows.append(_row(driver, meter, state))
            parts = ", ".join(f"{part} {rows[-1][f'{part}_ms']:.1f}" for part in PARTS)
            print(f"{rows[-1]['trials']:,} trials, {rows[-1]['ms']:.0f} ms each: {parts}", file=sys.__stderr__)

    driver.fit(lambda: told() if len(rows) < len(milestones) - 1 else None)
    rows.append(_row(driver, meter, state))
    return rows


def _row(driver: Driver, meter: Meter, state: dict[str, Any]) -> dict[str, Any]:
    trials, cpu, wall, memory = driver.begun - state["trials"], meter.read(), time.monotonic(), resident()
    spent = {f"{part}_ms": 1e3 * (cpu[part] - state["cpu"][part]) / trials for part in PARTS}
    row = {
        "trials": driver.begun,
        "ms": sum(spent.values()),
        "busy": (driver.busy - state["busy"]) / driver.settings.slots / (driver.clock.monotonic() - state["clock"]),
        "wall_ms": 1e3 * (wall - state["wall"]) / trials,
        **spent,
        "memory_mb": memory,
        "memory_mb_per_1000": 1e3 * (memory - state["memory"]) / trials,
        "paused": len(driver.scheduler.paused),
        "checkpoints": sum(1 for _ in driver.run.checkpoints.iterdir()),
        "threads": threading.active_count(),
        "files": len(os.listdir("/proc/self/fd")),
    }
    state |= {"trials": driver.begun, "cpu": meter.read(), "wall": time.monotonic(), "memory": memory}
    state |= {"busy": driver.busy, "clock": driver.clock.monotonic()}
    return row


def resume_seconds(given: dict[str, Any], slots: int, folder: Path) -> float:
    """Return CPU seconds until a search goes on that was cut off."""
    before = time.process_time()
    Driver(folder, given, slots)
    return time.process_time() - before


def cells(row: dict[str, Any]) -> list[str]:
    """Return a row for a terminal."""
    told = {name: f"{value:,.1f}" if isinstance(value, float) else f"{value:,}" for name, value in row.items()}
    return list((told | {"busy": f"{row['busy']:.3f}"}).values())


def search(given: argparse.Namespace, slots: int) -> list[dict[str, Any]]:
    """Search once with so many slots, say what it came to, and return its rows."""
    milestones = [*(m for m in MILESTONES if m < given.trials), given.trials]
    asked = {"space": given.space, "trials": given.trials, "scheduler": given.scheduler, "sampler": given.sampler}
    with tempfile.TemporaryDirectory() as folder:
        asked["storage_path"] = folder
        rows = measure(asked, slots, given.first_rung, milestones, Path(folder))
        again = resume_seconds({**asked, "trials": 2 * given.trials}, slots, Path(folder))
    names = [name.removesuffix("_ms") for name in rows[0]]
    show(f"{slots} slots, CPU-milliseconds a trial, by part, since the row before", names, [cells(row) for row in rows])
    print(f"--resume at the end: {again:.1f} CPU-seconds")
    if busy := [row["busy"] for row in rows if row["trials"] > 500]:
        print(verdict(f"share of {slots} slots that is busy, from 500 trials on", min(busy), 0.9))
    if later := [row["ms"] for row in rows[1:]]:  # the first hundred are drawn at random, and most have yet to report
        growth = f"the dearest of these stretches from {rows[0]['trials']:,} trials on over the cheapest"
        print(verdict(growth, max(later) / min(later), 2, least=False))
    return [{"slots": slots, **row} for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--slots", type=int, nargs="+", default=[64, 16])
    parser.add_argument("--first-rung", type=float, default=10.0, help="seconds to it (default: 10)")
    parser.add_argument("--scheduler", default="asha")
    parser.add_argument("--sampler", default="tpe")
    parser.add_argument("--space", default="degradations")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the rows to DIR/overhead.parquet")
    given = parser.parse_args()
    facts = machine(("optuna", "ray", "tensorboard", "pyarrow"))
    heading(facts)
    keep(given.out, "overhead", [row for slots in given.slots for row in search(given, slots)], facts)


if __name__ == "__main__":
    main()
