"""What a process costs before its first step: imports and the first trainer, with our optimizer and with torch's.

    python tests/benchmarks/start.py [--rounds 3] [--out DIR]

CPU-seconds of a new process of one thread, interleaved, medians; two minutes.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from side_by_side import heading, interleaved, keep, machine, raw, show, spread, with_one_thread

STEP = """
import torch
from trainables.config import Variant
from trainables.training.trainer import Trainer
images = torch.zeros(64, 1, 28, 28, dtype=torch.uint8)
trainer = Trainer(Variant.from_flat({}), 0, images, images, 10**6)
"""
STARTS = {
    "import torch": "import torch",
    "import ray.tune": "from ray import tune",
    "a trial's imports": "import search.execution.worker",
    "a trainer's first step": f"{STEP}trainer.run_to(64)",
    "the same beside torch.optim.Adam": f"{STEP}torch.optim.Adam(trainer.optimizer.params)\ntrainer.run_to(64)",
}


def process(code: str) -> Callable[[], int]:
    """Return what runs the code in a process of its own."""

    def work() -> int:
        subprocess.run([sys.executable, "-c", code], check=True)
        return 1

    return work


def children() -> float:
    """Return the CPU-seconds of the processes that have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, metavar="DIR", help="write every round to DIR/start.parquet")
    given = parser.parse_args()
    with_one_thread()
    facts = machine(("ray",))
    heading(facts)
    spent = interleaved({name: process(code) for name, code in STARTS.items()}, given.rounds, clock=children)
    rows = [(name, spread([one.cpu for one in all_spent], 1)) for name, all_spent in spent.items()]
    show("a new process", ("", "CPU-seconds"), rows)
    keep(given.out, "start", raw("start", spent), facts)


if __name__ == "__main__":
    main()
