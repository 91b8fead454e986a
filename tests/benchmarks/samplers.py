"""Which sampler finds a good variant of the space `degradations` with the fewest images, on a surrogate of training.

    python tests/benchmarks/samplers.py [--seeds 64] [--only SAMPLER ...] [--starts]
    python tests/benchmarks/samplers.py --record RUN [RUN ...]   # keep the trials of runs in the file that is read
    python tests/benchmarks/samplers.py --noise 8                # what NOISE is from: a few minutes

The queue, ASHA and the space are the product's. Trees fitted to recorded trials answer for the training: log FMD at the
first rung from the variant, and its change to each further rung from the variant and the value before. A report has
noise on top, as FMD differs between trainings of one variant with several seeds. What counts is the surrogate's own
value of the trial with the best report at the full budget, by the images that the search has spent. `around the best`
draws one variant in five at random, and else changes a third of the fields of one of the best tenth, as PriorBand does
without a prior. Without `--starts` the space has no starting points and no baselines.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import os
import random
import statistics
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState
from side_by_side import heading, machine, show
from sklearn.ensemble import ExtraTreesRegressor
from warm_start import run_search

from analysis.run.events import Start
from analysis.run.run import Run
from analysis.run.storage import Folder
from search.settings import DRAWS
from search.space.fake_trial import FakeTrial
from search.space.load import load
from search.study.samplers import SAMPLERS, Needs, PausedTPESampler, View
from trainables.config import Flat, Variant
from trainables.data.load import load as load_data
from trainables.metric.fmd import Reference
from trainables.report import Report
from trainables.trial import Plan, Trial, TrialData

RECORDED = Path(__file__).with_name("trials_degradations.jsonl")
RUNGS = (12_000, 36_000, 108_000)
NOISE = (0.085, 0.059, 0.039)  # standard deviation of log FMD at each rung. source: --noise 8, 2026-11-30, EPYC
AT = (300_000, 600_000, 1_000_000, 1_500_000, 2_200_000)  # images; the last is six minutes of two cores
SPACE = load("degradations", {})
BARE = replace(SPACE, baselines=(), starts=())


def record(runs: Sequence[Run]) -> None:
    """Keep what each trial of the space answered, and its FMD at the rungs."""
    lines = []
    for run in runs:
        events = list(run.events())
        answers = {event.trial: SPACE.answers_for(dict(event.variant)) for event in events if isinstance(event, Start)}
        for trial, answer in answers.items():
            reports = [event for event in events if isinstance(event, Report) and event.trial == trial]
            if answer is not None and reports:
                fmds = [report.fmd if math.isfinite(report.fmd) else 500.0 for report in reports]
                lines.append(json.dumps({"answers": answer, "fmd": [round(fmd, 3) for fmd in fmds]}))
    RECORDED.write_text("\n".join(lines) + "\n")


class Surrogate:
    """Log FMD at each rung for the answers that a space was given."""

    def __init__(self, trials: Sequence[Mapping[str, Any]]) -> None:
        """Fit the trees to recorded trials."""
        every = [dict(trial["answers"]) for trial in trials]
        self._columns = sorted({column for answers in every for column in _columns(answers)})
        self._models: list[ExtraTreesRegressor] = []
        self._known: dict[str, list[float]] = {}
        self.explained: list[float] = []
        for rung in range(len(RUNGS)):
            chosen = [trial for trial in trials if len(trial["fmd"]) > rung]
            before = [[math.log(fmd) for fmd in trial["fmd"][max(rung - 1, 0) : rung]] for trial in chosen]
            rows = [self._row(trial["answers"], value) for trial, value in zip(chosen, before, strict=True)]
            values = [
                math.log(min(trial["fmd"][rung], 500.0)) - sum(value)
                for trial, value in zip(chosen, before, strict=True)
            ]
            model = ExtraTreesRegressor(300, min_samples_leaf=2, bootstrap=True, oob_score=True, random_state=0)
            self._models.append(model.fit(rows, values))
            self.explained.append(model.oob_score_)

    def values(self, answers: Flat) -> list[float]:
        """Return the value at each rung, without noise."""
        key = json.dumps(answers, sort_keys=True)
        if key not in self._known:
            values: list[float] = []
            for model in self._models:
                last = values[-1:]
                values.append(sum(last) + float(model.predict([self._row(answers, last)])[0]))
            self._known[key] = values
        return self._known[key]

    def _row(self, answers: Flat, before: list[float]) -> list[float]:
        columns = _columns(answers)
        return [columns.get(column, -1.0) for column in self._columns] + before


def _columns(answers: Flat) -> dict[str, float]:
    """Return answers as numbers by name: numbers as they are, rates by their logarithm, each choice and part as 1."""
    columns: dict[str, float] = {}
    for name, value in answers.items():
        if isinstance(value, float | int) and not isinstance(value, bool):
            columns[name] = math.log(value) if name == "training/lr" else float(value)
        else:
            columns |= {f"{name}={part}": 1.0 for part in str(value).split("+")}
    return columns


class AroundTheBest(BaseSampler):
    """Draws whole variants: at random, or one of the best with some of its fields changed."""

    def __init__(self, view: View, startup: int, seed: int) -> None:
        self._view, self._startup = view, startup
        self._rng, self._rest = random.Random(seed), RandomSampler(seed=seed)
        self._answers: Flat = {}

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, Any]:
        """Draw a variant, and return what it answers."""
        shown = self._view.of(study, trial, anew=True)._get_trials()  # with the paused ones, as TPE sees them
        learnt = [one for one in shown if one.state != TrialState.RUNNING and one.intermediate_values]
        if len(learnt) < self._startup:
            return {}
        parent: FrozenTrial | None = None
        if self._rng.random() >= 0.2:
            best = sorted(learnt, key=_rank)
            parent = best[self._rng.randrange(max(2, math.ceil(0.1 * len(best))))]
        fake = _Asked(self._kept(parent) if parent else {}, self._rng)
        BARE.draw(fake)
        self._answers = fake.answered
        return fake.distributions

    def sample_relative(self, study: Any, trial: Any, search_space: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answers of the variant that was drawn."""
        return {name: self._answers[name] for name in search_space}

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
        """Draw at random before there is anything to learn from."""
        return self._rest.sample_independent(study, trial, param_name, param_distribution)

    def _kept(self, parent: FrozenTrial) -> Flat:
        """Return the answers of `parent` but for a third, of which numbers are moved by 15 % of their range."""
        kept: Flat = {}
        for name, value in parent.params.items():
            distribution = parent.distributions[name]
            if self._rng.random() >= 0.3:
                kept[name] = value
            elif isinstance(distribution, FloatDistribution):
                low, high = distribution.low, distribution.high
                scale, back = (math.log, math.exp) if distribution.log else (float, float)
                moved = scale(value) + self._rng.gauss(0, 0.15 * (scale(high) - scale(low)))
                kept[name] = min(max(back(moved), low), high)
        return kept


def _rank(trial: FrozenTrial) -> tuple[int, float]:
    """Return what orders trials: the larger budget first, then the lower FMD."""
    images = max(trial.intermediate_values)
    return -images, trial.intermediate_values[images]


class _Asked(FakeTrial):
    """Keeps what Optuna calls the distributions of what it is asked for."""

    def __init__(self, answers: Flat, rng: random.Random) -> None:
        super().__init__(answers, rng)
        self.distributions: dict[str, Any] = {}

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        self.distributions[name] = FloatDistribution(low, high, step=step, log=log)
        return super().suggest_float(name, low, high, step=step, log=log)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        self.distributions[name] = CategoricalDistribution(choices)
        return super().suggest_categorical(name, choices)


def _tpe(needs: Needs, seed: int, **options: Any) -> BaseSampler:
    return PausedTPESampler(needs.view, seed=seed, **{"n_startup_trials": needs.startup, **options})


CANDIDATES: dict[str, Callable[[Needs, int], BaseSampler]] = {
    "random": SAMPLERS["random"],
    "TPE, grouped": SAMPLERS["tpe"],
    "TPE, grouped, 5 at random": partial(_tpe, group=True, multivariate=True, n_startup_trials=5),
    "TPE, multivariate": partial(_tpe, multivariate=True),
    "TPE, univariate": partial(_tpe, multivariate=False),
    "TPE, univariate, 5 at random": partial(_tpe, multivariate=False, n_startup_trials=5),
    "GP of Optuna": SAMPLERS["gp"],
    "around the best": lambda needs, seed: AroundTheBest(needs.view, needs.startup, seed),
}


def one_search(candidate: str, seed: int, starts: bool) -> list[float]:
    """Return the surrogate's FMD of what a search has found when it has spent each number of images in `AT`."""
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    surrogate, noise = fitted(), random.Random(seed)
    SAMPLERS["tpe"] = CANDIDATES[candidate]

    def measured(start: Start, images: int, rung: int) -> Report:
        answers = SPACE.answers_for(dict(start.variant))
        # A baseline that the space cannot draw is far behind.
        value = math.log(150) if answers is None else surrogate.values(answers)[rung]
        fmd = math.exp(value + noise.gauss(0, NOISE[rung]))
        return Report.from_dict({"trial": start.trial, "images_seen": images, "rung": rung, "fmd": fmd})

    trials = run_search(SPACE if starts else BARE, seed, measured, trials=400, most=AT[-1])
    full = [(one.reports[-1], one.variant) for one in trials if len(one.reports) == len(RUNGS)]
    found = []
    for images in AT:
        done = [(report.fmd, variant) for report, variant in full if report.time <= images]
        answers = SPACE.answers_for(dict(min(done, key=lambda one: one[0])[1])) if done else None
        found.append(math.inf if answers is None else math.exp(surrogate.values(answers)[-1]))
    return found


@functools.cache
def fitted() -> Surrogate:
    """Return the surrogate, fitted once in a process."""
    return Surrogate([json.loads(line) for line in RECORDED.read_text().splitlines()])


def at_rungs(seed: int) -> list[float]:
    """Return log FMD at each rung of one training of the first starting point, as a search measures it."""
    torch.set_num_threads(1)
    images, variant = load_data("mnist"), Variant.from_flat(SPACE.draw(FakeTrial(SPACE.starts[0], random.Random(0))))
    plan = Plan(RUNGS, sampling_seed=0, device="cpu", draws=(1, 1, DRAWS))
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial("noise", variant, seed, plan, TrialData(images, Reference.build(images)), Folder(folder))
        return [math.log(report.fmd) for report in trial.reports()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=64)
    parser.add_argument("--only", nargs="+", choices=CANDIDATES, default=list(CANDIDATES), metavar="SAMPLER")
    parser.add_argument("--starts", action="store_true", help="with the space's starting points and baselines")
    parser.add_argument("--record", nargs="+", metavar="RUN")
    parser.add_argument("--noise", type=int, metavar="SEEDS", help="train one variant with so many seeds")
    given = parser.parse_args()
    if given.record:
        record([Run.open(path) for path in given.record])
        return
    heading(machine())
    if given.noise:
        with ProcessPoolExecutor(len(os.sched_getaffinity(0)), mp_context=get_context("spawn")) as pool:
            spreads = np.std(list(pool.map(at_rungs, range(given.noise))), axis=0, ddof=1)
        print("standard deviation of log FMD over seeds, by rung:", *(f"{spread:.3f}" for spread in spreads))
        return
    print("variance that the trees explain of trials left out, by rung:", *(f"{one:.2f}" for one in fitted().explained))
    rows = []
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), mp_context=get_context("spawn")) as pool:
        for candidate in given.only:
            work = [(candidate, seed, given.starts) for seed in range(given.seeds)]
            found = np.array(list(pool.map(one_search, *zip(*work, strict=True))))
            cells = [f"{statistics.median(column):.1f} ({np.quantile(column, 0.8):.1f})" for column in found.T]
            rows.append((candidate, *cells))
    title = f"FMD of what was found: median (80th percentile) of {given.seeds} searches"
    show(title, ("", *(f"{images:,} images" for images in AT)), rows)


if __name__ == "__main__":
    main()
