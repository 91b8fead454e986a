"""One evaluation of a model by FMD, sampling included: ours against 1,000 ancestral steps and torchmetrics' FID.

    python tests/benchmarks/evaluation_speed.py [--rounds 3] [--parts cost tau batches precision] [--out DIR]

cost       as a search does at a rung (256 images, 20 steps, FMD and its standard error), against 1,000 steps of
           diffusers' DDPMScheduler in float32 and FrechetInceptionDistance on the same classifier. Of the 1,000 steps,
           which cost the same, 50 are timed. CPU-seconds of one thread, interleaved; three minutes.
tau        do both order models alike? Kendall's tau over twelve snapshots of two trainings, the 1,000 steps in bf16;
           ten minutes.
batches    network calls per second by the number of images in a batch.
precision  what bf16 moves FMD by, same weights and noise, in standard errors.
"""

from __future__ import annotations

import argparse
import functools
import statistics
from collections.abc import Callable
from pathlib import Path

import torch
from judges import SHAPE, Judge, ancestral, autocast, plain, trained
from scipy.stats import kendalltau
from side_by_side import (
    heading,
    interleaved,
    keep,
    machine,
    rates,
    raw,
    show,
    spread,
    verdict,
    with_one_thread,
)
from torch import Tensor

from spaces.baselines import STARTER
from trainables.config import Flat
from trainables.data.images import Images
from trainables.data.load import load
from trainables.diffusion.generation import generate
from trainables.diffusion.process import Diffusion
from trainables.metric.fmd import SAMPLES

PACKAGES = ("diffusers", "torchmetrics", "scipy")
TIMED = 50  # of the 1,000 steps
AGES = (1_500, 3_000, 6_000, 12_000, 20_000, 36_000)
RUNS: tuple[Flat, ...] = ({"training/lr": 2e-3}, {"training/lr": 5e-3, "network/cnn/activation": "silu"})
BATCHES = (64, 128, 256, 512, 1024)
KINDS: dict[str, Flat] = {
    "the starter": {**STARTER, "sampler/kind": "ancestral", "sampler/steps": 20},
    "the default, behind patch 2": {},
}
COST_TARGET, TAU_TARGET = 25.0, 0.9
Row = dict[str, object]


def compare_cost(images: Images, judge: Judge, rounds: int) -> list[Row]:
    """Print what one evaluation costs each way, for the starter's network and for the default one."""
    rows, kept, verdicts = [], [], []
    for kind, flat in KINDS.items():
        model = trained(images, flat, (2_000,))[0]
        samples = generate(model.diffusion, model.sampling, SAMPLES, SHAPE, model.source, seed=0)

        def count(work: Callable[[], object]) -> int:
            work()
            return 1

        works = {
            "ours": lambda model=model: judge.ours(model),
            "50 of 1,000 steps": functools.partial(ancestral, model, plain(model), TIMED),
            "torchmetrics": lambda samples=samples: judge.theirs(samples),
        }
        spent = interleaved({name: functools.partial(count, work) for name, work in works.items()}, rounds)
        ours, part, score = ([one.cpu for one in spent[name]] for name in works)
        factor = model.diffusion.T / TIMED
        theirs = [factor * a + b for a, b in zip(part, score, strict=True)]
        times = [b / a for a, b in zip(ours, theirs, strict=True)]
        rows.append((kind, spread(ours), spread(theirs, 0), spread(times, 0)))
        verdicts.append(verdict(f"an evaluation of {kind}", statistics.median(times), COST_TARGET))
        kept += [row | {"model": kind} for row in raw("cost", spent)]
    columns = ("", "ours: 20 steps", "1,000 steps, torchmetrics", "times")
    show(f"CPU-seconds of one evaluation, n = {SAMPLES}, one thread; {rounds} interleaved rounds", columns, rows)
    print(*verdicts, sep="\n")
    return kept


def compare_order(images: Images, judge: Judge) -> list[Row]:
    """Print both values of twelve models and how alike they order them."""
    rows, kept = [], []
    for number, run in enumerate(RUNS):
        for age, model in zip(AGES, trained(images, run, AGES, seed=number), strict=True):
            ours = judge.ours(model)
            theirs = judge.theirs(ancestral(model, autocast(model.diffusion)))
            rows.append((f"run {number}, {age:,} images", f"{ours.fmd:.2f}", f"{ours.se:.2f}", f"{theirs:.2f}"))
            kept.append({"part": "tau", "model": rows[-1][0], "ours": ours.fmd, "theirs": theirs})
    show("Twelve models", ("", "ours, 20 steps", "standard error", "1,000 steps, torchmetrics"), rows)
    tau = kendalltau([row["ours"] for row in kept], [row["theirs"] for row in kept]).statistic
    print(verdict("Kendall's tau", tau, TAU_TARGET))
    return kept


def compare_batches(images: Images, rounds: int) -> list[Row]:
    """Print the speed of sampling steps by batch size; all contenders do as many images."""
    kept: list[Row] = []
    for kind, flat in KINDS.items():
        diffusion = trained(images, flat, (64,))[0].diffusion
        x_t = torch.randn((max(BATCHES), *SHAPE))

        @torch.inference_mode()
        def restored(size: int, diffusion: Diffusion = diffusion, x_t: Tensor = x_t) -> int:
            for part in x_t.split(size):
                diffusion.restore(part, torch.full((len(part),), diffusion.T // 2))
            return len(x_t)

        spent = interleaved({str(size): functools.partial(restored, size) for size in BATCHES}, 3 * rounds)
        rows = [(size, spread(rates(one), 0)) for size, one in spent.items()]
        show(f"Sampling steps of {kind}", ("images at once", "image-steps / CPU-second"), rows)
        kept += [row | {"model": kind} for row in raw("batches", spent)]
    return kept


def compare_precision(images: Images, judge: Judge) -> list[Row]:
    """Print FMD in bf16 and in float32, same weights and noise."""
    rows, kept = [], []
    for kind, flat in KINDS.items():
        model = trained(images, flat, (12_000,))[0]
        fast, exact = judge.ours(model), judge.ours(model.in_float32())
        apart = abs(fast.fmd - exact.fmd)
        name = "bf16" if model.diffusion.bf16 else "float32 (no bf16 on this machine)"
        rows.append((kind, f"{fast.fmd:.3f} {name}", f"{exact.fmd:.3f}", f"{exact.se:.3f}", f"{apart / exact.se:.3f}"))
        kept.append({"part": "precision", "model": kind, "ours": fast.fmd, "theirs": exact.fmd})
    show("Precision of sampling", ("", "FMD", "in float32", "standard error", "apart, in standard errors"), rows)
    return kept


def main() -> None:
    parts = ("cost", "tau", "batches", "precision")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    parser.add_argument("--out", type=Path, metavar="DIR", help="write all numbers to DIR/evaluation_speed.parquet")
    given = parser.parse_args()
    with_one_thread()
    facts = machine(PACKAGES)
    heading(facts)
    images = load("mnist")
    judge = Judge(images)
    compare: dict[str, Callable[[], list[Row]]] = {
        "cost": lambda: compare_cost(images, judge, given.rounds),
        "tau": lambda: compare_order(images, judge),
        "batches": lambda: compare_batches(images, given.rounds),
        "precision": lambda: compare_precision(images, judge),
    }
    rows = [row for part in given.parts for row in compare[part]()]
    keep(given.out, "evaluation_speed", rows, facts)


if __name__ == "__main__":
    main()
