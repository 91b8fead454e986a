"""The number of trials that share a GPU: `--trials-per-gpu auto` measures it.

1, 2, 4, ... processes train a typical variant of the space at the same time, until more processes train no more images
per second in all, or the memory has no room for as many of the largest variants drawn.
"""

import multiprocessing
import random
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch

from search.machine import Cluster, Machine, MachineError
from search.space.fake_trial import FakeTrial
from search.space.space import Space
from trainables.config import Flat, Variant
from trainables.device import CONTEXT, free_bytes
from trainables.diffusion.generation import CHUNKS, generate, sampling_source
from trainables.domain import ConfigError
from trainables.parts import install
from trainables.training.trainer import Trainer
from trainables.user_code import UserCode

MOST = 16
DRAWS = 31  # variants of the space, of which the typical and the largest are taken
SECONDS = 3.0  # of training, for each number of trials
STEPS = 20  # between two readings of the clock, each of which waits for the device
GAIN = 1.05  # the least factor in images per second for which twice as many trials are taken
USED = 0.9  # of the free memory at most
PATIENCE = 300.0  # seconds to wait for an answer of a process, which imports torch while others compute


def best(
    space: Space, shape: tuple[int, ...], machine: Machine | Cluster, cpus: float, say: Callable[[str], None]
) -> int:
    """Return how many trials of a space, of `cpus` cores each, are to share a GPU; `say` the measurements.

    Of a cluster one GPU is measured, for all.
    """
    machines = machine.machines if isinstance(machine, Cluster) else (machine,)
    by_cores = min(int(one.cpus / cpus / one.gpus) for one in machines if one.gpus)
    given = (*drawn(space, shape), shape, "cuda", max(1, min(MOST, by_cores)), space.code)
    try:
        paces = _measured(machine, given)
    except MachineError as error:
        say(f"{error}: one trial has each GPU; give a number for more")
        return 1
    told = ", ".join(f"{trials}: {pace:,.0f}" if pace else f"{trials}: one fails" for trials, pace in paces.items())
    trials = choose(paces)
    say(f"trials on a GPU, images a second of all: {told}; taking {trials}")
    return trials


def _measured(machine: Machine | Cluster, given: tuple[Any, ...]) -> dict[int, float]:
    """Return what `measure` finds on this machine, or on a GPU of a cluster."""
    if isinstance(machine, Cluster):
        import ray  # a second and more, and a measured process, which imports this module, needs none

        try:
            remote: Any = ray.remote(num_gpus=1, num_cpus=1, max_retries=0)(measure)
            return dict(ray.get(remote.remote(*given)))
        except ray.exceptions.RayTaskError as error:  # wraps the error that was raised there
            raise error.cause from None
    return measure(*given)


def drawn(space: Space, shape: tuple[int, ...]) -> tuple[Flat, Flat]:
    """Return a variant of a space with a median footprint, and the variant or baseline with the largest."""
    rng, draws = random.Random(0), list[Flat]()
    while len(draws) < DRAWS:
        with suppress(ConfigError):  # a draw that is rejected; not all are, or the space would have been refused
            draws.append(space.draw(FakeTrial({}, rng)))
    ordered = sorted(draws, key=lambda flat: footprint(flat, shape))
    all_of_it = [ordered[-1], *(baseline.variant for baseline in space.baselines)]
    return ordered[len(ordered) // 2], max(all_of_it, key=lambda flat: footprint(flat, shape))


def footprint(flat: Flat, shape: tuple[int, ...]) -> int:
    """Return how many numbers a training step keeps: the outputs of all modules for a batch, and Adam's state."""
    variant = Variant.from_flat(flat)
    kept = 0

    def count(module: object, given: object, returned: object) -> None:
        nonlocal kept
        kept += returned.numel() if isinstance(returned, torch.Tensor) else 0

    with torch.device("meta"):  # shapes without numbers, and without the memory
        network = variant.network.build(shape[0], shape[-1])
        for module in network.modules():
            module.register_forward_hook(count)
        batch = variant.training.batch
        network(torch.zeros(batch, *shape), torch.zeros(batch))
    return kept + 4 * sum(p.numel() for p in network.parameters())


def choose(paces: Mapping[int, float]) -> int:
    """Return the largest number of trials, of paces by ascending number, up to which each step gains by GAIN."""
    taken = next(iter(paces))
    for trials, pace in list(paces.items())[1:]:
        if pace < GAIN * paces[taken]:
            break
        taken = trials
    return taken


def measure(
    typical: Flat, largest: Flat, shape: tuple[int, ...], device: str, most: int, code: UserCode | None = None
) -> dict[int, float]:
    """Return the images per second of 1, 2, 4, ... trials of `typical` together, up to the first without a gain.

    At most `most` are tried, and at most as many as `largest` has room for. A number of which one fails has 0. Parts of
    the user's own are in `code`.

    Raises:
        MachineError: no trial can be trained.
    """
    with ExitStack() as stack:
        with closing(_Process(largest, shape, device, code)) as alone:
            needed, free = alone.answer()
        room = max(1, min(most, int(USED * free // needed)))
        processes: list[_Process] = []
        paces: dict[int, float] = {}
        while len(processes) < room and (not paces or choose(paces) == len(processes)):
            more = min(room, max(1, 2 * len(processes))) - len(processes)
            processes += [stack.enter_context(closing(_Process(typical, shape, device, code))) for _ in range(more)]
            try:
                paces[len(processes)] = _together(processes, more)
            except MachineError:
                if not paces:
                    raise
                paces[len(processes)] = 0.0
        return paces


def _together(processes: list["_Process"], new: int) -> float:
    """Return the images per second of all processes at the same time, of which the last `new` have just begun."""
    for process in processes[-new:]:
        process.answer()
    for process in processes:
        process.go_on()
    return sum(process.answer()[0] for process in processes)


class _Process:
    """A process that trains on command."""

    def __init__(self, flat: Flat, shape: tuple[int, ...], device: str, code: UserCode | None) -> None:
        spawn = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
        self._connection, there = spawn.Pipe()
        self._process = spawn.Process(target=_answer, args=(there, code, flat, shape, device), daemon=True)
        self._process.start()
        there.close()

    def go_on(self) -> None:
        """Tell it to train."""
        self._connection.send(None)

    def answer(self) -> tuple[float, ...]:
        """Wait for the next of the numbers that `training` yields, and return it."""
        try:
            answer = self._connection.recv() if self._connection.poll(PATIENCE) else "it said nothing"
        except EOFError:
            answer = "its process died"
        if isinstance(answer, str):
            raise MachineError(f"--trials-per-gpu auto: a trial cannot be trained ({answer})")
        return tuple(answer)

    def close(self) -> None:
        """Kill it, and wait until its memory is free."""
        self._process.kill()
        self._process.join()


def _answer(connection: Connection, code: UserCode | None, *of_training: Any) -> None:
    """Send what `training` yields, the first at once and each other at a command; send a text where it fails."""
    try:
        if code is not None:
            install(code)
        for numbers in training(*of_training):
            connection.send(numbers)
            connection.recv()
    except EOFError:  # the process that commands is gone
        return
    except Exception as error:  # of torch or the device
        connection.send(traceback.format_exception_only(error)[-1].strip().splitlines()[-1])


def training(flat: Flat, shape: tuple[int, ...], device_name: str) -> Iterator[tuple[float, ...]]:
    """Yield the bytes that training takes and those that were free before, then images per second, of SECONDS each."""
    # Images and labels are noise, and the learning rate is so small that training cannot diverge.
    device, variant = torch.device(device_name), Variant.from_flat({**flat, "training/lr": 1e-5})
    torch.set_num_threads(1)
    batch = variant.training.batch
    count = batch * max(1, 1024 // batch)  # whole batches, as nearly all are in an epoch of a real data set
    images = torch.randint(256, (count, *shape), dtype=torch.uint8).to(device)
    before = free_bytes(device)
    trainer = Trainer(variant, 0, images, images, total=10**12, labels=np.arange(count) % 10)

    def run(steps: int) -> None:
        trainer.run_to(trainer.images_seen + steps * batch)  # ends with a check of the loss, which waits for the device

    run(STEPS)
    sampling = replace(variant.sampler, steps=2)
    chunk = CHUNKS[device.type]  # the most that are sampled together
    generate(trainer.averaged(), sampling, chunk, shape, sampling_source(trainer.source, images, images), 0)
    yield max(before - free_bytes(device), 0) + CONTEXT, before
    while True:
        began, seen = time.monotonic(), trainer.images_seen
        while time.monotonic() - began < SECONDS:
            run(STEPS)
        yield ((trainer.images_seen - seen) / (time.monotonic() - began),)
