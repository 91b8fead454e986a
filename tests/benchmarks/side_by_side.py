"""What the speed benchmarks share: one thread, interleaved rounds, medians and ratios, a table and its parquet file."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from rich.console import Console
from rich.table import Table

# BLAS and OpenMP of numpy, scipy and torch read these when they are loaded, and no sooner.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
CONSOLE = Console(width=150, highlight=False)


@dataclass(frozen=True)
class Spent:
    """What one round of one contender did and took; `cpu` counts all threads of this process, or what was asked for."""

    units: int
    wall: float
    cpu: float


Rounds = dict[str, list[Spent]]
Clock = Callable[[], float]
"""CPU-seconds spent so far"""


def with_one_thread() -> None:
    """Start this script again with one thread, unless it has one already."""
    if any(os.environ.get(name) != "1" for name in THREADS):
        os.environ.update(dict.fromkeys(THREADS, "1"), TQDM_DISABLE="1")
        os.execv(sys.executable, [sys.executable, *sys.argv])
    torch.set_num_threads(1)


def timed(work: Callable[[], int], clock: Clock = time.process_time) -> Spent:
    """Return what one call of `work` took; it returns how many units it did."""
    wall, cpu = time.perf_counter(), clock()
    units = work()
    return Spent(units, time.perf_counter() - wall, clock() - cpu)


def interleaved(
    contenders: Mapping[str, Callable[[], int]], rounds: int, warm_up: int = 1, clock: Clock = time.process_time
) -> Rounds:
    """Return `rounds` rounds in which each contender has its turn, after some that do not count.

    What disturbs a machine for a while then disturbs all of a round alike, so ratios are taken within rounds.
    """
    for _ in range(warm_up):
        for work in contenders.values():
            work()
    spent: Rounds = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, work in contenders.items():
            spent[name].append(timed(work, clock))
    return spent


def rates(spent: Sequence[Spent], clock: str = "cpu") -> list[float]:
    """Return units per second of each round, by "cpu" or "wall"."""
    return [one.units / getattr(one, clock) for one in spent]


def ratios(spent: Sequence[Spent], base: Sequence[Spent], clock: str = "cpu") -> list[float]:
    """Return how many times the rate of `base` each round has."""
    return [a / b for a, b in zip(rates(spent, clock), rates(base, clock), strict=True)]


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Return "median (lower quartile-upper quartile)"."""
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return f"{middle:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def verdict(name: str, found: float, target: float, least: bool = True) -> str:
    """Return one line that says what was wanted, what was found and whether that is enough."""
    met = found >= target if least else found <= target
    return (
        f"{'met   ' if met else 'MISSED'} {name}: {found:.3g}, wanted {'at least' if least else 'at most'} {target:g}"
    )


def machine(packages: Sequence[str] = ()) -> dict[str, str]:
    """Return what a time depends on: processor, cores, load, versions, date."""
    names = ("torch", "numpy", *packages)
    load = ", ".join(f"{one:.2f}" for one in os.getloadavg())
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "load": load,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in names},
    }


def processor() -> str:
    """Return the processor's name, and what it has for products of bf16."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    told = torch.cpu.get_capabilities()
    units = [unit for unit in ("amx_bf16", "avx512_bf16") if told.get(unit)]
    return f"{name} ({', '.join(units).upper() or 'no bf16'})"


def heading(facts: Mapping[str, str]) -> None:
    """Print the machine and the versions."""
    CONSOLE.print("; ".join(f"{name} {value}" for name, value in facts.items()))


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; all columns but the first are to the right."""
    table = Table(title=title, title_justify="left")
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    CONSOLE.print(table)


def keep(out: Path | None, name: str, rows: Sequence[Mapping[str, object]], facts: Mapping[str, str]) -> None:
    """Write the rows to `out`/`name`.parquet, the facts in its schema's metadata; nothing without `out`."""
    if out is None:
        return
    out.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist([dict(row) for row in rows])
    pq.write_table(table.replace_schema_metadata(dict(facts)), out / f"{name}.parquet")


def raw(part: str, spent: Rounds) -> list[dict[str, object]]:
    """Return one row a contender and round."""
    return [
        {"part": part, "contender": name, "round": number, "units": one.units, "wall": one.wall, "cpu": one.cpu}
        for name, all_spent in spent.items()
        for number, one in enumerate(all_spent)
    ]
