"""The number of trials that share a GPU: `--trials-per-gpu auto` measures it.

1, 2, 4, ... processes train a typical variant of the space at the same time, until more processes train no more images
per second in all, or the memory has no room for as many of the largest variants drawn. `python -m
search.execution.packing` is one of these processes.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from threading import Timer
from typing import IO, Any

from search.machine import Cluster, Machine, MachineError
from search.space.fake_trial import FakeTrial
from search.space.space import Space
from trainables.config import Flat, Variant

# Imports inside functions: a measured process needs no Ray, and the driver no more of torch than it has.
MOST = 16
DRAWS = 31  # variants of the space, of which the typical and the largest are taken
SECONDS = 3.0  # of training, for each number of trials
STEPS = 20  # between two readings of the clock, each of which waits for the device
GAIN = 1.05  # the least factor in images per second for which twice as many trials are taken
USED = 0.9  # of the free memory at most
PATIENCE = 300.0  # seconds to wait for a line of a process, which imports torch while others compute


@dataclass(frozen=True)
class Pace:
    """The speed of a number of trials at the same time."""

    trials: int
    images_per_second: float
    """Of all trials together"""


def best(
    space: Space, shape: tuple[int, ...], machine: Machine | Cluster, cpus: float, say: Callable[[str], None]
) -> int:
    """Return how many trials of a space are to share a GPU.

    Args:
        space: the space.
        shape: of an image, (C, H, W).
        machine: the machine; of a cluster one GPU is measured, for all.
        cpus: cores that a trial takes.
        say: callback for a line with the measurements.

    Raises:
        MachineError: not even one trial can be trained.
    """
    machines = machine.machines if isinstance(machine, Cluster) else (machine,)
    by_cores = min(int(one.cpus / cpus / one.gpus) for one in machines if one.gpus)
    given = (*drawn(space, shape), shape, "cuda", max(1, min(MOST, by_cores)))
    if isinstance(machine, Cluster):
        import ray

        try:
            paces = ray.get(ray.remote(num_gpus=1, num_cpus=1, max_retries=0)(measure).remote(*given))
        except ray.exceptions.RayTaskError as error:  # wraps the error that was raised there
            raise error.cause from None
    else:
        paces = measure(*given)
    told = ", ".join(f"{pace.trials}: {pace.images_per_second:,.0f}" for pace in paces)
    trials = choose(paces)
    say(f"trials on a GPU, images a second of all: {told}; taking {trials}")
    return trials


def drawn(space: Space, shape: tuple[int, ...]) -> tuple[Flat, Flat]:
    """Return a variant of a space with a median footprint, and the variant or baseline with the largest."""
    rng = random.Random(0)
    ordered = sorted((space.draw(FakeTrial({}, rng)) for _ in range(DRAWS)), key=lambda flat: footprint(flat, shape))
    all_of_it = [ordered[-1], *(baseline.variant for baseline in space.baselines)]
    return ordered[len(ordered) // 2], max(all_of_it, key=lambda flat: footprint(flat, shape))


def footprint(flat: Flat, shape: tuple[int, ...]) -> int:
    """Return how many numbers a training step keeps: the outputs of all modules for a batch, and Adam's state."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    variant = Variant.from_flat(flat)
    kept = 0

    def count(module: object, given: object, returned: object) -> None:
        nonlocal kept
        kept += returned.numel() if isinstance(returned, torch.Tensor) else 0

    with FakeTensorMode():  # shapes without numbers, and without the memory
        network = variant.network.build(shape[0], shape[-1])
        for module in network.modules():
            module.register_forward_hook(count)
        batch = variant.training.batch
        network(torch.zeros(batch, *shape), torch.zeros(batch))
    return kept + 4 * sum(p.numel() for p in network.parameters())


def choose(paces: Sequence[Pace]) -> int:
    """Return the largest number of trials, of paces in ascending order, up to which each step gains by GAIN."""
    taken = paces[0]
    for pace in paces[1:]:
        if pace.images_per_second < GAIN * taken.images_per_second:
            break
        taken = pace
    return taken.trials


def measure(typical: Flat, largest: Flat, shape: tuple[int, ...], device: str, most: int) -> list[Pace]:
    """Return the paces of 1, 2, 4, ... trials of `typical` at the same time, up to the first without a gain.

    At most `most` are tried, and at most as many as `largest` has room for.

    Raises:
        MachineError: not even one trial can be trained.
    """
    with ExitStack() as stack:
        processes = [stack.enter_context(_Process(largest, shape, device))]
        needed, free = processes[0].ready()
        processes[0].end()
        room = max(1, min(most, int(USED * free // needed)))
        processes.clear()
        paces: list[Pace] = []
        while len(processes) < room and (not paces or choose(paces) == paces[-1].trials):
            more = min(room, max(1, 2 * len(processes))) - len(processes)
            processes += [stack.enter_context(_Process(typical, shape, device)) for _ in range(more)]
            for process in processes[-more:]:
                process.ready()
            for process in processes:
                process.go()
            paces.append(Pace(len(processes), sum(process.images_per_second() for process in processes)))
        return paces


class _Process:
    """A process that trains on command."""

    def __init__(self, flat: Flat, shape: tuple[int, ...], device: str) -> None:
        told = json.dumps({"flat": flat, "shape": shape, "device": device})
        self._process = subprocess.Popen(
            [sys.executable, "-m", "search.execution.packing", told],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> _Process:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def ready(self) -> tuple[int, int]:
        """Wait until it can train; return the bytes of the device that it takes, and those that were free before."""
        taken, free = self._answer()
        return int(taken), int(free)

    def go(self) -> None:
        """Tell it to train."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def images_per_second(self) -> float:
        """Wait until it has trained; return its images per second."""
        return float(self._answer()[0])

    def end(self) -> None:
        """Kill it, and wait until its memory is free."""
        self._process.kill()
        self._process.wait()

    def _answer(self) -> list[float]:
        assert self._process.stdout is not None
        end = Timer(PATIENCE, self._process.kill)
        end.start()
        line = self._process.stdout.readline()
        end.cancel()
        if not line:
            assert self._process.stderr is not None
            reason = (self._process.stderr.read().strip().splitlines() or ["it said nothing"])[-1]
            raise MachineError(f"--trials-per-gpu auto: a trial cannot be trained ({reason}); give a number")
        return list(json.loads(line))


def train(told: dict[str, Any], orders: IO[str], answers: IO[str]) -> None:
    """Write the memory that training takes, then train for SECONDS at each line of `orders` and write the pace."""
    import torch

    from trainables.device import CONTEXT, free_bytes
    from trainables.diffusion.generation import CHUNKS, generate
    from trainables.training.trainer import Trainer

    # The images are noise, and the learning rate is so small that training cannot diverge.
    device, variant = torch.device(told["device"]), Variant.from_flat({**told["flat"], "training/lr": 1e-5})
    torch.set_num_threads(1)
    images = torch.randint(256, (1024, *told["shape"]), dtype=torch.uint8).to(device)
    before = free_bytes(device)
    trainer = Trainer(variant, 0, images, images, total=10**12)
    batch = variant.training.batch

    def run(steps: int) -> None:
        trainer.run_to(trainer.images_seen + steps * batch)  # ends with a check of the loss, which waits for the device

    def answer(*numbers: float) -> None:
        print(json.dumps(numbers), file=answers, flush=True)

    run(STEPS)
    sampling, chunk = (
        replace(variant.sampler, steps=2),
        CHUNKS[device.type],
    )  # the most that are sampled together
    generate(trainer.averaged(), sampling, chunk, tuple(told["shape"]), trainer.source, 0)
    answer(max(before - free_bytes(device), 0) + CONTEXT, before)
    for _ in orders:
        began, seen = time.monotonic(), trainer.images_seen
        while time.monotonic() - began < SECONDS:
            run(STEPS)
        answer((trainer.images_seen - seen) / (time.monotonic() - began))


if __name__ == "__main__":
    train(json.loads(sys.argv[1]), sys.stdin, sys.stdout)
