"""Measure how soon a search reaches what an earlier one found, with and without a warm start, on a surrogate of FMD.

    python tests/benchmarks/warm_start.py [SEEDS]

The queue, TPE, ASHA and the spaces are the product's; a surrogate answers for the training: each choice and each number
of the space `quality` has a best value, and the log of FMD grows with the distance from it, which the first rungs show
with more noise. One search of 40 trials goes before; those that are compared have 40 trials, too, and other seeds. One
of them is in a space with half of the learning rates, on the log scale.
"""

import math
import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from analysis.run.earlier import EarlierTrial
from analysis.run.events import Start
from search.earlier.warm_start import WarmStart
from search.history import History
from search.machine import Machine
from search.schedulers import SCHEDULERS, Decision
from search.settings import Settings
from search.space.load import load
from search.space.space import Space
from search.study.journal import open_study
from search.study.queue import TrialQueue
from trainables.report import Report

TRIALS = 40
FULL = 108_000
QUALITY = load("quality", {})


def main() -> None:
    """Print, for each kind of search, the images until it reached the earlier best, and its best FMD."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    found: dict[str, list[tuple[float, float]]] = {"cold": [], "warm": [], "warm, narrower space": []}
    for seed in range(seeds):
        earlier = search(QUALITY, 2 * seed, ())
        goal = min(best(earlier).values())
        for kind, result in found.items():
            space = narrower() if "narrower" in kind else QUALITY
            trials = search(space, 2 * seed + 1, [] if kind == "cold" else earlier)
            result.append((reached(trials, 1.05 * goal), min(best(trials).values()) / goal))
    for kind, result in found.items():
        images, ratios = ([one[index] for one in result] for index in (0, 1))
        at = statistics.median(images)
        spoken = f"{at:9,.0f} images" if math.isfinite(at) else "not at all"
        print(f"{kind:22} the earlier best within 5 % after {spoken}; best FMD {statistics.median(ratios):.3f} of it")


def search(space: Space, seed: int, earlier: Sequence[EarlierTrial]) -> list[EarlierTrial]:
    """Return the trials of a search of TRIALS on this surrogate."""
    return run_search(space, seed, measured, TRIALS, earlier)


def run_search(
    space: Space,
    seed: int,
    measured: Callable[[Start, int, int], Report],
    trials: int,
    earlier: Sequence[EarlierTrial] = (),
    most: float = math.inf,
) -> list[EarlierTrial]:
    """Return the trials of a search, one at a time, in the order of their first reports; `time` is images so far.

    Args:
        space: what is searched.
        seed: of the search.
        measured: returns the report of a start after so many images, at a rung counted from 0.
        trials: how many at the most.
        earlier: the trials of an earlier run, to begin with.
        most: images that are spent at the most, but for the trial that runs then.
    """
    given: dict[str, Any] = {"name": "surrogate", "trials": trials, "max_images": FULL, "seed": seed}
    settings = Settings.resolve(given, space.given, space.digest, Machine(cpus=1, gpus=0))
    warm_start = WarmStart.of(earlier, space, FULL)
    scheduler = SCHEDULERS[settings.scheduler](settings.rungs, settings.reduction_factor, warm_start.unstopped)
    reports: dict[str, list[Report]] = {}
    starts: dict[str, Start] = {}
    spent = 0
    with tempfile.TemporaryDirectory() as folder:
        study = open_study(Path(folder) / "study.journal", settings, space, History((), scheduler))
        queue = TrialQueue(settings, space, study, scheduler, warm_start=warm_start)
        while spent < most and (start := queue.next_trial()) is not None:
            starts[start.trial] = start
            own = reports.setdefault(start.trial, [])
            while True:
                rung = len(own)
                spent += settings.rungs[rung] - (settings.rungs[rung - 1] if rung else 0)
                own.append(replace(measured(start, settings.rungs[rung], rung), time=spent))
                if scheduler.on_report(start.number, own[-1]) is not Decision.CONTINUE:
                    break
                queue.on_report(start, own[-1])
            queue.on_end(start, own[-1], failed=False)
        queue.finish()
    return [EarlierTrial("earlier", name, FULL, starts[name].variant, tuple(own)) for name, own in reports.items()]


def measured(start: Start, images: int, rung: int) -> Report:
    """Return the surrogate's report: noise of 20 % at the first rung, 2.5 % at the last."""
    distance = 0.0
    for name, value in start.variant.items():
        if isinstance(value, float):
            wanted = random.Random(name).uniform(0.2, 0.8)
            distance += (math.log10(max(value, 1e-4)) / 4 + 1 - wanted) ** 2
        elif name in QUALITY.names:
            distance += random.Random(f"{name} {value}").random() / 4
    noise = random.Random(start.seed + rung).gauss(0, 0.2 / 2**rung)
    fmd = math.exp(2.5 + distance + noise) * (FULL / images) ** 0.5
    return Report.from_dict({"trial": start.trial, "images_seen": images, "rung": rung, "fmd": fmd})


def best(trials: Sequence[EarlierTrial]) -> dict[float, float]:
    """Return the FMD of each report at the full budget, by the images that were trained until then."""
    last = [trial.reports[-1] for trial in trials]
    return {report.time: report.fmd for report in last if report.images_seen == FULL}


def reached(trials: Sequence[EarlierTrial], goal: float) -> float:
    """Return the images that were trained until a trial of the full budget had this FMD; infinity where none did."""
    return min((time for time, fmd in best(trials).items() if fmd <= goal), default=math.inf)


def narrower() -> Space:
    """Return the space `quality` for learning rates from 4e-3 to 2e-2."""

    def function(trial: Any) -> Any:
        return QUALITY.function(_Narrower(trial))

    return replace(QUALITY, function=function, starts=QUALITY.starts[:1])


class _Narrower:
    def __init__(self, trial: Any) -> None:
        self._trial = trial

    def __getattr__(self, name: str) -> Any:
        return getattr(self._trial, name)

    def suggest_float(self, name: str, low: float, high: float, **options: Any) -> float:
        bounds = (4e-3, 2e-2) if name == "training/lr" else (low, high)
        return float(self._trial.suggest_float(name, *bounds, **options))


if __name__ == "__main__":
    main()
