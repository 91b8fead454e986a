"""Checks and times everything of importance on a CUDA device: one command, a few minutes, a dated table.

    python tests/benchmarks/gpu.py [--out DIR]
    python tests/benchmarks/gpu.py --device cpu --quick      # the same on a CPU, to see that it runs; no number counts

Training (the starter's network and that behind 2 x 2 patches, ours, recorded as a CUDA graph and not, and eager as the
starter has it), sampling, scoring, up to 16 trials at once in processes of their own, by turns and with MPS; and
whether a short training has the same losses as on the CPU. Exit status 3 without a CUDA device, 1 where a check fails.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from side_by_side import heading, keep, machine, show
from starter import BATCH, starter_loop

from analysis.run.storage import Folder
from search.execution.mps import mps
from search.execution.packing import choose, measure
from spaces.baselines import STARTER
from trainables.config import Flat, Variant
from trainables.data.load import load
from trainables.device import finish
from trainables.diffusion.generation import generate, sampling_source
from trainables.metric.evaluation import Evaluation
from trainables.metric.evaluation import measure as evaluate
from trainables.metric.fmd import Reference
from trainables.report import Report
from trainables.training.trainer import Trainer
from trainables.trial import Plan, Trial

AT_BATCH: Flat = {**STARTER, "training/batch": BATCH}
NETWORKS: dict[str, Flat] = {"starter": AT_BATCH, "patch 2": {**AT_BATCH, "network/cnn/patch": 2}}
TOLERANCE = 0.03  # between mean losses, whose noise other generators draw; four seeds of it on a CPU are 0.9 % apart
Row = tuple[str, str]


@dataclass(frozen=True)
class Size:
    """How much of everything is done."""

    steps: int = 400
    warm_up: int = 50
    agreement: int = 25_600  # images
    processes: int = 16
    """At once, at most"""
    rungs: tuple[int, ...] = (4_000, 12_000, 36_000, 108_000)


QUICK = Size(steps=2, warm_up=1, agreement=256, processes=2, rungs=(64, 128))


def trainer(flat: Flat, device: str) -> Trainer:
    """Return a trainer of MNIST on the device."""
    images = load("mnist")
    train, overlays = (torch.from_numpy(x).to(device) for x in (images.train, images.overlays_train))
    return Trainer(Variant.from_flat(flat), 0, train, overlays, total=10**12)


def called(one: Trainer) -> Trainer:
    """Return the trainer with its steps launched kernel by kernel, not recorded."""
    one._learn = one._learn.function  # type: ignore[assignment]
    return one


def seconds(work: Callable[[], object], device: str) -> float:
    """Return what the work takes, until the device is done."""
    finish(torch.device(device))
    begun = time.perf_counter()
    work()
    finish(torch.device(device))
    return time.perf_counter() - begun


def training(device: str, size: Size) -> list[Row]:
    """Time ours, in bf16 and in float32, and the starter's loop on the device."""
    rows = []
    for name, flat in NETWORKS.items():
        for precision in ("auto", "float32"):
            one = trainer({**flat, "training/precision": precision}, device)
            one.run_to(BATCH * size.warm_up)
            took = seconds(lambda one=one: one.run_to(one.images_seen + BATCH * size.steps), device)
            kind = "bf16" if one.diffusion.bf16 else "float32"
            rows.append((f"train {name}, ours, {kind}, images/s", f"{BATCH * size.steps / took:,.0f}"))
        one = called(trainer(flat, device))
        one.run_to(BATCH * size.warm_up)
        took = seconds(lambda one=one: one.run_to(one.images_seen + BATCH * size.steps), device)
        rows.append((f"train {name}, ours, not recorded as a graph, images/s", f"{BATCH * size.steps / took:,.0f}"))
    loop = starter_loop(load("mnist").train, device)
    list(itertools.islice(loop, size.warm_up))
    steps = max(1, size.steps // 4)  # a data loader in one process is slow
    took = seconds(lambda: list(itertools.islice(loop, steps)), device)
    return [*rows, ("train starter, its own loop, eager, images/s", f"{BATCH * steps / took:,.0f}")]


def waits(device: str, size: Size) -> list[Row]:
    """Count how often training waits for the device: once every 50 steps and at the end of a rung."""
    if device != "cuda":
        return []
    one = trainer(STARTER, device)
    one.run_to(BATCH * size.warm_up)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        one.run_to(one.images_seen + BATCH * size.steps)
        torch.cuda.set_sync_debug_mode("default")
    count = sum("synchronizing" in str(one.message) for one in caught)
    return [(f"waits for the device in {size.steps} steps", str(count))]


def evaluating(device: str, size: Size) -> list[Row]:
    """Time sampling and scoring, as at a rung."""
    images, rows = load("mnist"), []
    reference = Reference.build(images)
    classifier = reference.classifier().to(device)
    for name, flat in NETWORKS.items():
        one = trainer({**flat, "sampler/kind": "ancestral", "sampler/steps": 20}, device)
        one.run_to(BATCH * size.warm_up)
        source = sampling_source(one.source, one.source.overlay_images)
        sampling = Variant.from_flat({"sampler/steps": 20}).sampler

        def sample(one: Trainer = one, source: Any = source, sampling: Any = sampling) -> torch.Tensor:
            return generate(one.averaged(), sampling, reference.n, (1, 28, 28), source, 0)

        samples = sample()
        rows.append((f"sample {reference.n} images of {name}, 20 steps, s", f"{seconds(sample, device):.3f}"))
    scoring = seconds(lambda: reference.score(samples, classifier), device)
    return [*rows, (f"score {reference.n} images, s", f"{scoring:.3f}")]


def whole(device: str, size: Size) -> list[Row]:
    """Run one trial as a search does, go on with it from its checkpoint, and measure all that an evaluation has."""
    images = load("mnist")
    reference = Reference.build(images)
    with tempfile.TemporaryDirectory() as folder:
        plan, storage = Plan(size.rungs, 0, device), Folder(folder)

        def reports() -> list[Report]:
            return list(Trial("gpu", Variant.from_flat({}), 0, plan, images, reference, storage).reports())

        begun = time.perf_counter()
        told = reports()
        took = time.perf_counter() - begun
        again = reports()
        bench = Evaluation(images, "confirm", 256, device, inception=False)
        trial = Trial("gpu", Variant.from_flat({}), 0, plan, images, reference, storage)
        list(trial.reports())
        found = evaluate(bench, trial, 1)
    assert again == told[-1:], "a trial goes on from its checkpoint with another report"
    assert found is not None
    rows = [(f"trial of the defaults, FMD at {one.images_seen:,} images", f"{one.fmd:.1f}") for one in told]
    seen = [(f"the same on other real images, {name}", f"{found[name]:.3g}") for name in ("fmd", "kid", "ssim")]
    return [*rows, ("trial of the defaults, s", f"{took:.1f}"), *seen]


def together(device: str, size: Size) -> list[Row]:
    """Time several trials at once, each in a process of its own, by turns and with MPS: `--trials-per-gpu auto`."""
    rows = []
    for name, flat in NETWORKS.items():
        for sharing in (nullcontext(False), mps()):
            with sharing as shared:
                paces = measure(flat, flat, (1, 28, 28), device, size.processes)
            kind = "MPS" if shared else "by turns"
            rows += [
                (f"{p.trials} trials of {name}, {kind}, images/s in all", f"{p.images_per_second:,.0f}") for p in paces
            ]
            rows.append((f"trials of {name}, {kind}, taken by auto", str(choose(paces))))
    return rows


def eigenvalues(device: str, size: Size) -> list[Row]:
    """Time the eigenvalues of float64 matrices as the Frechet distance has them, on the CPU and on the device."""
    rows = []
    for n in (256, 1024):
        x = torch.randn(n, n, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        for where in dict.fromkeys(("cpu", device)):
            matrix = (x @ x.T).to(where)
            torch.linalg.eigvalsh(matrix)
            took = seconds(lambda matrix=matrix: torch.linalg.eigvalsh(matrix), device)
            rows.append((f"eigenvalues {n} x {n}, float64, {where}, ms", f"{1000 * took:.1f}"))
    return rows


def agreement(device: str, size: Size) -> tuple[list[Row], bool]:
    """Compare the losses of a short training with those on the CPU and of steps not recorded, and a forward pass."""
    flat: Flat = {"training/batch": BATCH}
    ours, theirs, eager = trainer(flat, device), trainer(flat, "cpu"), called(trainer(flat, device))
    for one in (ours, theirs, eager):
        one.run_to(size.agreement // 4)  # where the loss falls fast
    mean = ours.run_to(size.agreement)
    apart = abs(mean / theirs.run_to(size.agreement) - 1)
    recorded = abs(mean / eager.run_to(size.agreement) - 1)  # the same random numbers
    x, at = torch.randn(64, 1, 28, 28), torch.rand(64)
    with torch.inference_mode():
        network = theirs.diffusion.network
        expected = network(x, at)
        found = network.to(device)(x.to(device), at.to(device)).cpu()
    forward = float((found - expected).abs().max() / expected.abs().max())
    rows = [
        ("mean loss apart from the CPU's", f"{apart:.2%}"),
        ("mean loss of recorded steps apart from that of others", f"{recorded:.2%}"),
        ("forward in float32, apart", f"{forward:.1e}"),
    ]
    # cuDNN's float32 is TF32 by default.
    return rows, apart < TOLERANCE and recorded < TOLERANCE / 3 and forward < 1e-2


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="as little of everything as shows that it runs")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the table to DIR/gpu.parquet")
    given = parser.parse_args()
    if given.device == "cuda" and not torch.cuda.is_available():
        print(f"there is no CUDA device (torch {torch.__version__}); nothing was measured", file=sys.stderr)
        return 3
    size = QUICK if given.quick else Size()
    name = torch.cuda.get_device_name() if given.device == "cuda" else "CPU"
    facts = machine() | {"device": name, "cuda": str(torch.version.cuda)}
    heading(facts)
    checks, agree = agreement(given.device, size)
    parts = (whole, waits, training, evaluating, eigenvalues, together)
    rows = [*checks, *(row for part in parts for row in part(given.device, size))]
    show(f"{name}, {facts['date']}, batch {BATCH}", ("", "value"), rows)
    keep(given.out, "gpu", [{"what": what, "value": value} for what, value in rows], facts)
    print("the device agrees with the CPU" if agree else "the device and the CPU DISAGREE")
    return 0 if agree else 1


if __name__ == "__main__":
    raise SystemExit(main())
