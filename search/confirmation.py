"""The confirmation: the best trials are trained again with fresh seeds and judged by other real images.

A search chooses its winner by the value that it reports, of one training each, so that value is too low. Here the best
trials and the best of the literature race (statistics/confidence.py). Each training takes the next fresh seed; seeds,
images seen and the noise that samples start from are the same for all contenders. The images that judge them serve
nothing else. The winner, and the contenders that cannot be told from it, are measured on the test set once.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import Any

from rich.console import Console

from analysis.run.events import End, Start
from analysis.run.run import Run
from analysis.statistics.confirmed import confirmation_result
from analysis.statistics.ranking import rank_run
from search.execution.tune import Parts, Status, run_trials
from search.history import History, end_state
from search.progress.budget import Budget
from search.progress.recorder import Recorder
from search.progress.terminal import Display
from search.race import Race
from search.schedulers import Scheduler
from search.settings import Settings
from search.test_evaluation import measure_on_test_images
from search.time_limit import TimeLimit
from trainables.data.mnist import Images
from trainables.domain import Primitive
from trainables.metric.fmd import Reference

# Of the larger of two real numbers. Three learning rates within 2 % came out of four fresh seeds 0.2 % apart.
ALIKE = 0.1
# With 256, as in a search, half of a good model's FMD is bias (metric/evaluation.py); a GPU has time for as many as
# there are real ones.
SAMPLES = {"cpu": 2_048, "gpu": 5_000}


def contenders(run: Run, best: int) -> list[Start]:
    """Return the starts of the trials to train again: the `best` of the ranking, and its best baseline.

    Of trials that are alike only the best is taken, so that the race is between configurations that differ.
    """
    starts = run.starts()
    ranking = rank_run(run).to_pylist()
    sound = [row for row in ranking if row["fmd"] is not None and not row["diverged"] and row["state"] != "FAILED"]
    chosen: list[str] = []
    for row in sound:
        variant = starts[row["trial"]].variant
        if len(chosen) < best and not any(alike(variant, starts[name].variant) for name in chosen):
            chosen.append(row["trial"])
    chosen += [row["trial"] for row in sound if row["baseline"]][:1]
    return [starts[name] for name in dict.fromkeys(chosen)]


def trainings_at_most(nested: Run, chosen: list[Start], seeds: int) -> int:
    """Return how many trainings a race can come to, with those of earlier contenders in the confirmation's run."""
    names = {start.trial for start in chosen}
    earlier = [start for start in nested.starts().values() if start.repeats not in names]
    return len(earlier) + seeds * len(chosen)


def alike(a: Mapping[str, Primitive], b: Mapping[str, Primitive]) -> bool:
    """Return whether two variants make the same choices, and no real number of theirs is a tenth apart."""
    return a.keys() == b.keys() and all(_near(value, b[name]) for name, value in a.items())


def _near(a: Primitive, b: Primitive) -> bool:
    return a == b or (isinstance(a, float) and isinstance(b, float) and math.isclose(a, b, rel_tol=ALIKE))


def confirm(run: Run, settings: Settings, images: Images, reference: Reference, quiet: bool) -> Status:
    """Race the best trials of a search that has ended, and test the winners; Ray must be connected.

    Called again on the same run, the confirmation goes on where it was interrupted. `reference` is the search's.
    """
    chosen = contenders(run, settings.confirm)
    if not chosen:
        return "done"
    before = run.confirmed()
    judge = _judge(settings, images, reference, {} if before is None else before.settings())
    nested = before or run.begin_confirmation()
    most = trainings_at_most(nested, chosen, settings.seeds)
    full = replace(settings, name=nested.name, grace_images=settings.max_images, trials=most)
    nested.write_settings({**nested.settings(), **_card(run, full, chosen, judge)})
    status = _race(nested, full, chosen, images, judge, quiet)
    return _test(run, nested, full, images, quiet) if status == "done" else status


def _test(run: Run, nested: Run, settings: Settings, images: Images, quiet: bool) -> Status:
    result = confirmation_result(run)
    if result is None:
        return "done"
    try:
        with terminating():
            measure_on_test_images(nested, settings, result, images, quiet)
    except KeyboardInterrupt:
        return "interrupted"
    return "done"


def _judge(settings: Settings, images: Images, reference: Reference, before: dict[str, Any]) -> Reference:
    """Return the reference of the race; a race that goes on keeps the number of samples that it began with."""
    most = SAMPLES["gpu" if settings.gpus_per_trial else "cpu"]
    n = before.get("metric", {}).get("n", min(most, len(images.search), len(images.confirm)))
    return Reference.build(images, "confirm", n, reference.layer, reference.weights)


@contextmanager
def terminating() -> Iterator[None]:
    """Let SIGTERM interrupt as SIGINT does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _card(run: Run, settings: Settings, chosen: list[Start], judge: Reference) -> dict[str, Any]:
    kept = {name: run.settings()[name] for name in ("versions", "data", "classifier")}
    names = [start.trial for start in chosen]
    return {"settings": settings.saved(), **kept, "metric": judge.card(), "contenders": names, "tested": False}


def _race(
    nested: Run, settings: Settings, chosen: list[Start], images: Images, judge: Reference, quiet: bool
) -> Status:
    scheduler = Scheduler(settings.rungs, settings.reduction_factor)
    history = History(nested.events(), scheduler)
    for name in sorted(history.reports.keys() - history.ended.keys()):  # killed between a report and its end
        history.ended[name] = end_state(history.last_report(name), history.full)
        nested.append(End(name, history.ended[name]))
    # The race ends by itself: the search's time budget is not its.
    budget = Budget.load(settings.slots, math.inf, nested.settings())
    race = Race(settings.seed, settings.seeds, chosen, nested.events())
    display = Display(settings, budget, Console(), quiet)
    recorder = Recorder(nested, history, budget, display, race.tries)
    parts = Parts(nested, settings, race, TimeLimit(scheduler, budget.has_time), recorder)
    return run_trials(parts, images, judge)
