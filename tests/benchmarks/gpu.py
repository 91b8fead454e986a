"""Checks and times everything of importance on a CUDA device: one command of at most eight minutes, a dated table.

    python tests/benchmarks/gpu.py [--out DIR]
    python tests/benchmarks/gpu.py --device cpu --quick      # the same on a CPU, to see that it runs; no number counts

Checked against the CPU, from the same random numbers: loss and samples of every degradation, network, schedule, target
and sampler, the features of the metric, and the losses of a short training; and whether steps are recorded as CUDA
graphs. Timed: training (the starter's network and that behind 2 x 2 patches, ours, recorded and not, and eager as the
starter has it), a whole trial, sampling, scoring, and up to 16 trials at once in processes of their own, by turns and
with MPS. A part that fails is a row, and the others follow; so does one for which there is no time. Exit status 3
without a CUDA device, 1 where a check or a part fails.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
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
from trainables.device import exact_float32, finish
from trainables.diffusion.degradations import DEGRADATIONS
from trainables.diffusion.generation import generate, sampling_source
from trainables.diffusion.process import LOSSES, WEIGHTS, last_part
from trainables.diffusion.samplers import SAMPLERS
from trainables.diffusion.schedules import SCHEDULES
from trainables.diffusion.source import Source
from trainables.diffusion.targets import TARGETS
from trainables.diffusion.times import TIMES
from trainables.evaluation import Evaluation
from trainables.evaluation import measure as evaluate
from trainables.metric.classifier import features
from trainables.metric.fmd import Reference
from trainables.networks import NETWORKS as NETWORK_KINDS
from trainables.report import Report
from trainables.training.trainer import Trainer
from trainables.trial import Plan, Trial, TrialData

AT_BATCH: Flat = {**STARTER, "training/batch": BATCH}
NETWORKS: dict[str, Flat] = {"starter": AT_BATCH, "patch 2": {**AT_BATCH, "network/cnn/patch": 2}}
BUDGET = 300.0  # seconds after which no further part begins; the last takes up to three minutes
IMAGES = 32  # of each variant that is compared with the CPU
# Of its loss in float32, and of its samples in grey levels of 255, on average over pixels: in single pixels a threshold
# may fall the other way.
LOSS_APART, GREY_APART = 1e-3, 1.0
FEATURES_APART = 1e-4  # of the largest of the features
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
    every: int = 1
    """Of so many variants one is compared"""


QUICK = Size(steps=2, warm_up=1, agreement=256, processes=2, rungs=(64, 128), every=8)


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
            return list(Trial("gpu", Variant.from_flat({}), 0, plan, TrialData(images, reference), storage).reports())

        begun = time.perf_counter()
        told = reports()
        took = time.perf_counter() - begun
        again = reports()
        bench = Evaluation(images, "confirm", 256, device)
        trial = Trial("gpu", Variant.from_flat({}), 0, plan, TrialData(images, reference), storage)
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
                (f"{trials} trials of {name}, {kind}, images/s in all", f"{pace:,.0f}")
                for trials, pace in paces.items()
            ]
            rows.append((f"trials of {name}, {kind}, taken by auto", str(choose(paces))))
    return rows


class OnDevice(torch.Generator):
    """A generator of the CPU that says it is a device's: a source of `FromHost` draws the same numbers everywhere."""

    at = torch.device("cpu")

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        """Where the numbers go."""
        return self.at


@dataclass(frozen=True)
class FromHost(Source):
    """Draws on the CPU what is then moved to the device."""

    def normal(self, shape: torch.Size) -> torch.Tensor:
        """Return standard normal numbers."""
        return torch.randn(shape, generator=self.generator).to(self.generator.device)

    def uniform(self, shape: torch.Size) -> torch.Tensor:
        """Return uniform numbers."""
        return torch.rand(shape, generator=self.generator).to(self.generator.device)

    def index(self, total: int, n: int) -> torch.Tensor:
        """Return random rows."""
        return torch.randint(total, (n,), generator=self.generator).to(self.generator.device)


def variants() -> list[Flat]:
    """Return a variant of each degradation, network, schedule, target, loss, weight and draw of t."""
    cold: Flat = {"training/target": "x0", "sampler/kind": "cold1"}
    flow: Flat = {"degradation/kind": "flow", "training/target": "velocity", "sampler/kind": "euler"}
    return [
        *({**cold, "degradation/kind": kind} for kind in (*DEGRADATIONS, "morph+blur+noise")),
        *({"network/kind": kind} for kind in NETWORK_KINDS),
        *({"schedule/kind": kind} for kind in SCHEDULES),
        *(flow if name == "velocity" else {"training/target": name} for name in TARGETS),
        *({"training/loss": name} for name in LOSSES),
        *({"training/weight": name} for name in WEIGHTS),
        *({"training/times": name} for name in TIMES),
        {"network/conditioning": "class"},
    ]


def compared(flat: Flat, device: str) -> list[str]:
    """Return in what a variant differs on the device: in its loss, its samples, or by steps that are not recorded."""
    images = load("mnist")
    losses, samples = list[float](), list[torch.Tensor]()
    variant = Variant.from_flat({**flat, "training/precision": "float32", "training/batch": IMAGES})
    for where in ("cpu", device):
        arrays = (torch.from_numpy(x[:1024]).to(where) for x in (images.train, images.overlays_train))
        one = Trainer(variant, 0, *arrays, total=10**9, labels=images.train_labels[:1024])
        generator = OnDevice()
        generator.manual_seed(0)
        generator.at = one.device
        source = FromHost(generator, one.source.pixels, one.images, one.source.overlay_images, one.images)
        labels = None if one.diffusion.label_counts is None else torch.arange(IMAGES, device=one.device) % 10
        with torch.no_grad(), exact_float32():
            x0 = source.pixels.to_model(one.images[:IMAGES])
            losses.append(float(one.diffusion.given(labels).loss(x0, source)))
            for kind, sampler in SAMPLERS.items():
                if isinstance(last_part(one.diffusion.degradation), sampler.last):
                    sampling = replace(variant.sampler, kind=kind, steps=3)
                    samples.append(generate(one.diffusion, sampling, IMAGES, (1, 28, 28), source, 0).cpu().float())
    one.run_to(6 * IMAGES)
    half = len(samples) // 2
    grey = max(float((a - b).abs().mean()) for a, b in zip(samples[:half], samples[half:], strict=True))
    found = []
    if not abs(losses[1] / losses[0] - 1) < LOSS_APART:
        found.append(f"loss {losses[0]:.6g} and {losses[1]:.6g}")
    if not grey < GREY_APART:
        found.append(f"samples {grey:.2g} grey levels apart")
    return [*found, *([one.not_recorded] if one.not_recorded else [])]


def every(device: str, size: Size) -> tuple[list[Row], bool]:
    """Compare every variant with itself on the CPU."""
    rows, chosen = list[Row](), variants()[:: size.every]
    for flat in chosen:
        text = ", ".join(str(value) for value in flat.values())
        try:
            rows += [(f"of {text}", different) for different in compared(flat, device)]
        except Exception as error:  # the others are to be compared, too
            rows.append((f"of {text}", f"{type(error).__name__}: {error}".splitlines()[0]))
    good = len(chosen) - len({what for what, _ in rows})
    return [(f"of {len(chosen)} variants, like on the CPU and recorded", str(good)), *rows], not rows


def scored(device: str, size: Size) -> tuple[list[Row], bool]:
    """Compare the features and the score of real images with those on the CPU."""
    images = load("mnist")
    reference = Reference.build(images)
    digits = torch.from_numpy(images.confirm[: reference.n])
    networks = (reference.classifier(), reference.classifier().to(device))
    there, here = (features(network, digits.to(device)) for network in networks)
    apart = float(abs(there - here).max() / abs(there).max())
    fmds = [reference.score(digits.to(device), network).fmd for network in networks]
    rows = [("features of the metric, apart", f"{apart:.1e}"), ("FMD of real images", f"{fmds[1]:.5f} ({fmds[0]:.5f})")]
    return rows, apart < FEATURES_APART


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
    with torch.inference_mode(), exact_float32():
        network = theirs.diffusion.network
        expected = network(x, at)
        found = network.to(device)(x.to(device), at.to(device)).cpu()
    forward = float((found - expected).abs().max() / expected.abs().max())
    rows = [
        ("mean loss apart from the CPU's", f"{apart:.2%}"),
        ("mean loss of recorded steps apart from that of others", f"{recorded:.2%}"),
        ("forward in float32, apart", f"{forward:.1e}"),
    ]
    return rows, apart < TOLERANCE and recorded < TOLERANCE / 3 and forward < 1e-4


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
    rows, good, began = list[Row](), True, time.monotonic()
    for part in (agreement, scored, every, whole, waits, training, evaluating, eigenvalues, together):
        if time.monotonic() - began > BUDGET:
            rows.append((part.__name__, "there was no time"))
            continue
        try:
            found = part(given.device, size)
        except Exception as error:  # what the other parts find is not to be lost
            traceback.print_exc()
            found = [(part.__name__, f"FAILED with {type(error).__name__}")], False
        more, passed = found if isinstance(found, tuple) else (found, True)
        rows, good = rows + more, good and passed
        print(f"{part.__name__}: {time.monotonic() - began:.0f} s so far", file=sys.stderr, flush=True)
    show(f"{name}, {facts['date']}, batch {BATCH}", ("", "value"), rows)
    keep(given.out, "gpu", [{"what": what, "value": value} for what, value in rows], facts)
    print("every check passed" if good else "a check or a part FAILED")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
