"""Training speed side by side: ours, the starter notebook's loop, and those of three libraries.

    python tests/benchmarks/training_speed.py [--rounds 25] [--parts loops profile machine] [--out DIR]

The starter's network (291,217 weights), MNIST, batch 128, eps as target, T = 1000, linear beta, for all; ours with the
network behind 2 x 2 patches, too. One thread each, interleaved, images per CPU-second; four minutes. The part `machine`
sets a trial on each core, at once, against one starter loop that has all cores, by the clock on the wall; `profile`
says where a step of ours spends its time.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import multiprocessing
import statistics
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import numpy as np
import torch
from side_by_side import (
    Spent,
    heading,
    keep,
    machine,
    rates,
    ratios,
    raw,
    show,
    spread,
    verdict,
    with_one_thread,
)
from starter import (
    BATCH,
    Loop,
    StarterCNN,
    diffusers_loop,
    in_starters_order,
    lucidrains_loop,
    smalldiffusion_loop,
    starter_loop,
)

from spaces.baselines import STARTER
from trainables.config import Flat, Variant
from trainables.data.load import load
from trainables.training import trainer as training
from trainables.training.trainer import Trainer

PACKAGES = ("torchvision", "diffusers", "accelerate", "denoising-diffusion-pytorch", "smalldiffusion")
PARTS = ("loops", "profile", "machine")
WEIGHTS = 291_217
THEIRS, OURS, FAST = "starter loop", "ours", "ours, behind patch 2"
TARGETS = {OURS: 3.5, FAST: 10.0}
MACHINE_TARGET = 5.5
SECONDS = 6.0  # of a round of the part `machine`
TURN = 0.5  # seconds at least of a contender's turn: short, so that those of a round meet the same load
WARM_UP = 8  # steps
Make = Callable[[np.ndarray], Loop]


def our_loop(images: np.ndarray, changes: Flat, keeps: bool = True) -> Loop:
    """The product's own trainer on the starter's variant, with averaged weights as searches have them.

    Without `keeps` the memory that it frees is left to glibc, as it is in other loops.
    """
    if not keeps:
        training.keep_freed = lambda: None
    variant = Variant.from_flat({**STARTER, "training/ema": 0.999, **changes})
    resident = torch.from_numpy(images)
    trainer = Trainer(variant, 0, resident, resident, total=10**12)
    while True:
        before = trainer.images_seen
        trainer.run_to(before + BATCH)
        yield trainer.images_seen - before


# Each is a loop of its own, told the images.
LOOPS: dict[str, Make] = {
    THEIRS: starter_loop,
    "diffusers' documented loop": functools.partial(diffusers_loop, bf16=False),
    "the same, mixed precision bf16": functools.partial(diffusers_loop, bf16=True),
    "denoising-diffusion-pytorch": lucidrains_loop,
    "smalldiffusion's training_loop": smalldiffusion_loop,
    "ours, float32": functools.partial(our_loop, changes={"training/precision": "float32"}),
    "ours, memory given back": functools.partial(our_loop, changes={}, keeps=False),
    OURS: functools.partial(our_loop, changes={}),
    FAST: functools.partial(our_loop, changes={"network/cnn/patch": 2}),
}


def check_same_network() -> None:
    """Make sure that our network and the starter's, as written for the contenders, are one function."""
    ours, theirs = Variant.from_flat(STARTER).network.build(1, 28), StarterCNN()
    theirs.load_state_dict(in_starters_order(ours.state_dict()))
    assert sum(weight.numel() for weight in theirs.parameters()) == WEIGHTS
    x, time = torch.randn(4, 1, 28, 28), torch.rand(4)
    torch.testing.assert_close(ours(x, time), theirs(x, time), rtol=1e-4, atol=1e-4)


def worker(make: Make, threads: int, barrier: Barrier, seconds: float, results: Any) -> None:
    """Train for some seconds in each round, all workers of a round at once, and say what that came to."""
    torch.set_num_threads(threads)
    loop = make(load("mnist").train)
    list(itertools.islice(loop, WARM_UP))
    while True:
        barrier.wait()
        begun, cpu, images = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - begun < seconds:
            images += next(loop)
        results.put(Spent(images, time.perf_counter() - begun, time.process_time() - cpu))


class Crew:
    """Processes that train at once, round by round, and idle between rounds.

    Each contender has its own, as its users have: how memory is kept, for one, is a matter of the whole process.
    """

    def __init__(self, make: Make, workers: int, threads: int, seconds: float) -> None:
        """Start them; they warm up and wait."""
        context = multiprocessing.get_context("spawn")
        self.barrier, self.results, self.size = context.Barrier(workers + 1, timeout=600), context.Queue(), workers
        arguments = (make, threads, self.barrier, seconds, self.results)
        for _ in range(workers):
            context.Process(target=worker, args=arguments, daemon=True).start()

    def round(self) -> list[Spent]:
        """Let all train for one round and return what each did."""
        self.barrier.wait()
        return [self.results.get() for _ in range(self.size)]


def in_turns(crews: dict[str, Crew], rounds: int) -> dict[str, list[list[Spent]]]:
    """Return what the workers of each crew did in each round, after one that does not count: by then all are ready."""
    found: dict[str, list[list[Spent]]] = {name: [] for name in crews}
    for number in range(-1, rounds):
        for name, crew in crews.items():
            done = crew.round()
            found[name] += [done] * (number >= 0)
    return found


def compare_loops(rounds: int) -> list[dict[str, object]]:
    """Print the table of all contenders, one thread each, and return its rounds."""
    crews = {name: Crew(make, workers=1, threads=1, seconds=TURN) for name, make in LOOPS.items()}
    spent = {name: [one for (one,) in done] for name, done in in_turns(crews, rounds).items()}
    rows = [
        (
            name,
            spread(rates(one), 0),
            f"{statistics.median(rates(one, 'wall')):.0f}",
            spread(ratios(one, spent[THEIRS])),
        )
        for name, one in spent.items()
    ]
    title = f"Training the starter's network, batch {BATCH}, one thread; {rounds} interleaved rounds"
    show(title, ("", "images / CPU-second", "images / second", "times the starter loop"), rows)
    for name, target in TARGETS.items():
        print(verdict(f"{name} / {THEIRS}", statistics.median(ratios(spent[name], spent[THEIRS])), target))
    return raw("loops", spent)


def profile(images: np.ndarray) -> None:
    """Print where the time of our steps goes, by torch's profiler: the largest of its operators."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiled

    loop = our_loop(images, {})
    list(itertools.islice(loop, WARM_UP))
    with profiled(activities=[ProfilerActivity.CPU]) as seen:
        list(itertools.islice(loop, WARM_UP))
    spent = {one.key: one.self_cpu_time_total for one in seen.key_averages()}
    largest = sorted(spent, key=spent.__getitem__, reverse=True)[:8]
    rows = [(name, f"{spent[name] / sum(spent.values()):.1%}") for name in largest]
    show(f"A step of {OURS}, by operator", ("", "of its time"), rows)


def compare_machine(rounds: int, cores: int) -> list[dict[str, object]]:
    """Print what the whole machine trains: a trial a core, or one on all, against one starter loop on all cores."""
    crews = {f"{THEIRS}, {cores} threads": Crew(starter_loop, 1, cores, SECONDS)}
    for name in (OURS, FAST):
        crews[f"{name}, {cores} trials"] = Crew(LOOPS[name], cores, 1, SECONDS)
        crews[f"{name}, {cores} threads"] = Crew(LOOPS[name], 1, cores, SECONDS)
    found = {
        name: [sum(one.units / one.wall for one in workers) for workers in done]
        for name, done in in_turns(crews, rounds).items()
    }
    theirs, ours, *_ = found.values()
    rows = [
        (name, spread(one, 0), spread([a / b for a, b in zip(one, theirs, strict=True)])) for name, one in found.items()
    ]
    show(f"The whole machine, {cores} cores; {rounds} interleaved rounds", ("", "images / second", "times"), rows)
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    print(verdict(f"{OURS} / {THEIRS}, per machine", ratio, MACHINE_TARGET))
    return raw(
        "machine", {name: [Spent(round(one * SECONDS), SECONDS, 0.0) for one in all_] for name, all_ in found.items()}
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--out", type=Path, metavar="DIR", help="write every round to DIR/training_speed.parquet")
    given = parser.parse_args()
    with_one_thread()
    facts = machine(PACKAGES)
    heading(facts)
    check_same_network()
    rows = []
    if "loops" in given.parts:
        rows += compare_loops(given.rounds)
    if "profile" in given.parts:
        profile(load("mnist").train)
    if "machine" in given.parts:
        rows += compare_machine(max(3, given.rounds // 5), int(facts["cores"]))
    keep(given.out, "training_speed", rows, facts)


if __name__ == "__main__":
    main()
