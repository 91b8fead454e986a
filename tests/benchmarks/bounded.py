"""Does a search find as much if TPE is shown few of its trials, and how long does a suggestion take?

    python tests/benchmarks/bounded.py [--seeds 8] [--trials 1500] [--shown 100 250 1000000]

A search by the product's sampler and scheduler asha-stopping, 16 trials at a time, of a function with a known best of
0: three kinds of six parameters each, of which Hartmann's (Dixon and Szego 1978), Rosenbrock's and a sphere's value is
what a trial comes to, later for some than for others and with noise of 3 %; the kind that is best in the end,
Hartmann's, is not the easiest. The same seeds for each size; `random` for scale.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable

import numpy as np
import optuna
from optuna.trial import TrialState
from rich.console import Console
from rich.table import Table
from simulator import Point

from search.schedulers import ASHAStopping, Decision
from search.study import samplers

RUNGS, SLOTS, SIZE = (1, 3, 9, 27), 16, 6
# Hartmann's function in six dimensions, as in Dixon and Szego.
ALPHA = np.array([1.0, 1.2, 3.0, 3.2])
A = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
P = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def hartmann(x: np.ndarray) -> float:
    return float(3.32237 - ALPHA @ np.exp(-(A * (x - P) ** 2).sum(1)))


def rosenbrock(x: np.ndarray) -> float:
    y = 4 * x - 2
    return float(0.6 + np.log1p((100 * (y[1:] - y[:-1] ** 2) ** 2 + (1 - y[:-1]) ** 2).sum()))


def sphere(x: np.ndarray) -> float:
    return float(0.8 + 3 * ((x - 0.3) ** 2).sum())


KINDS: dict[str, Callable[[np.ndarray], float]] = {"hartmann": hartmann, "rosenbrock": rosenbrock, "sphere": sphere}


def search(kind: str, shown: int, seed: int, trials: int) -> tuple[list[float], list[float]]:
    """Return the best value of a trial at the last rung after each trial, and the CPU seconds of each suggestion."""
    samplers.SHOWN_TRIALS, samplers.SHOWN_BEST = shown, 2 * shown // 5
    study = optuna.create_study(sampler=samplers.make_sampler(kind, seed, SLOTS, ()))
    scheduler, rng = ASHAStopping(RUNGS, 3), random.Random(seed)
    running: list[tuple[optuna.Trial, float, float]] = []
    best, seconds, found = np.inf, [], []
    while len(found) < trials:
        while len(running) < SLOTS:
            before = time.process_time()
            trial = study.ask()
            kind = trial.suggest_categorical("kind", list(KINDS))
            x = np.array([trial.suggest_float(f"{kind}/{i}", 0, 1) for i in range(SIZE)])
            seconds.append(time.process_time() - before)
            running.append((trial, KINDS[kind](x), rng.uniform(0, 2)))
        trial, value, late = running.pop(rng.randrange(SLOTS))
        for rung in RUNGS:
            seen = (value + late / rung) * rng.gauss(1, 0.03)
            trial.report(seen, rung)
            if scheduler.on_report(trial.number, Point(rung, seen, False)) is not Decision.CONTINUE:
                break
        complete = rung == RUNGS[-1]
        best = min(best, value) if complete else best
        study.tell(trial, seen if complete else None, state=TrialState.COMPLETE if complete else TrialState.PRUNED)
        found.append(best)
    return found, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--trials", type=int, default=1_500)
    parser.add_argument("--shown", type=int, nargs="+", default=[100, 250, 1_000_000])
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    at = [count for count in (100, 250, 500, 1_000, 2_000, 5_000) if count < given.trials] + [given.trials]
    table = Table(title=f"best value found, mean and standard error of {given.seeds} seeds")
    for name in ("shown", *(f"{count} trials" for count in at), "ms a suggestion, the last 100"):
        table.add_column(name, justify="right")
    for kind, shown in [("random", 0), *(("tpe", shown) for shown in given.shown)]:
        found, seconds = zip(*(search(kind, shown, seed, given.trials) for seed in range(given.seeds)), strict=True)
        values = np.array(found)[:, [count - 1 for count in at]]
        errors = values.std(0, ddof=1) / np.sqrt(given.seeds)
        cells = [f"{mean:.3f} ± {error:.3f}" for mean, error in zip(values.mean(0), errors, strict=True)]
        milliseconds = 1e3 * float(np.median([times[-100:] for times in seconds]))
        table.add_row(f"{shown:,}" if shown else kind, *cells, f"{milliseconds:.0f}")
        print(".", end="", flush=True)
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
