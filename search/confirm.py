"""After the search: the best trials again, with fresh seeds and judged by other real images, until one is the best.

A search picks its winner by the very number that it reports it by, of one training each. Here the best few and the best
of the literature are contenders in a race (analysis/confidence.py). Each training takes the next of the fresh seeds,
which are the same for all contenders, as are the images seen and the noise that samples start from. It is judged by the
images that are kept for this, and the winner and what cannot be told from it then by the test set, once.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import takewhile
from types import FrameType
from typing import Any

import numpy as np
from ray.tune.search import Searcher
from rich.console import Console

from analysis import rank
from analysis.confidence import estimates, may_be_best, next_round
from analysis.results import Run
from analysis.verdict import verdict
from search.display import Display
from search.final import measure_finally
from search.ledger import Ledger
from search.recorder import Recorder
from search.resume import History
from search.schedulers import Scheduler
from search.searcher import MAX_FAILURES
from search.settings import Settings
from search.stopping import Stopping
from search.study import state_at
from search.tuner import Interruptible, Status, make_trainable, make_tuner, run_tuner
from trainables.data import Images
from trainables.metrics import Reference

Config = dict[str, Any]
# As many generated images as half of the bias of a good model's FMD takes (trainables/evaluation.py); a GPU has time
# for as many as there are real ones.
SAMPLES = {"cpu": 2_048, "gpu": 5_000}
# Apart from the seeds of a search's trials, (seed, number).
_TRAINING, _SAMPLING = 1, 2


def contenders(run: Run, best: int) -> list[Config]:
    """Return the start events of the trials to train again: the `best` of the ranking, and its best baseline."""
    ranking = rank.rank(run.trials(), rank.metric(run).get("floor")).to_pylist()
    sound = [row for row in ranking if row["fmd"] is not None and not row["diverged"] and row["state"] != "FAIL"]
    chosen = [row["trial"] for row in sound[:best]]
    chosen += [row["trial"] for row in sound if row["baseline"]][:1]
    starts = {event["trial"]: event for event in run.events() if event["event"] == "start"}
    return [starts[name] for name in dict.fromkeys(chosen)]


def confirm(run: Run, settings: Settings, images: Images, reference: Reference, quiet: bool) -> Status:
    """Race the best trials of a search that has ended; Ray must be connected.

    Called again on the same run, this goes on where it ended; `reference` is that of the search.
    """
    chosen = contenders(run, settings.confirm)
    if not chosen:
        return "done"
    before = run.confirmed()
    judge = _judge(settings, images, reference, {} if before is None else before.settings())
    nested = before or Run.create(run.path, run.confirmation.name)
    full = replace(settings, name=nested.name, rungs=settings.rungs[-1:], trials=settings.seeds * len(chosen))
    nested.write_settings({**nested.settings(), **_card(run, full, chosen, judge)})
    status = _race(nested, full, chosen, images, judge, quiet)
    return _finally(run, nested, full, images, quiet) if status == "done" else status


def _finally(run: Run, nested: Run, settings: Settings, images: Images, quiet: bool) -> Status:
    judged = verdict(run)
    if judged is not None:
        say: Callable[[str], None] = (lambda line: None) if quiet else print
        try:
            with terminating():
                measure_finally(nested, settings, judged, images, say)
        except KeyboardInterrupt:
            return "interrupted"
    return "done"


def _judge(settings: Settings, images: Images, reference: Reference, before: Config) -> Reference:
    """Return what the race is judged by: as many samples as it began with, whatever it goes on on."""
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


def _card(run: Run, settings: Settings, chosen: list[Config], judge: Reference) -> dict[str, Any]:
    kept = {name: run.settings()[name] for name in ("versions", "data", "classifier")}
    names = [start["trial"] for start in chosen]
    return {"settings": settings.saved(), **kept, "metric": judge.card(), "contenders": names, "tested": False}


def _race(
    nested: Run, settings: Settings, chosen: list[Config], images: Images, judge: Reference, quiet: bool
) -> Status:
    scheduler = Scheduler(settings.rungs, settings.reduction_factor)
    history = History(nested.events(), scheduler)
    for name in sorted(history.reports.keys() - history.ended.keys()):  # killed between a report and its end
        history.ended[name] = state_at(history.reports[name][-1], history.full)
        nested.append({"event": "end", "trial": name, "state": history.ended[name]})
    # The race ends by itself: the search's time budget is not its.
    ledger = Ledger.load(settings.slots, float("inf"), nested.settings())
    race = Race(settings, chosen, nested.events())
    display = Display(settings, ledger, Console(), quiet)
    recorder = Recorder(nested, history, ledger, display, race.runs_again, kept_checkpoints=None)
    stopper = Interruptible(recorder)
    trainable = make_trainable(nested, settings, images, judge)
    stopping = Stopping(scheduler, ledger.has_time)
    tuner = make_tuner(nested, settings, trainable, race, stopping, recorder, stopper)
    return run_tuner(tuner, recorder, stopper, race.interrupted())


class Race(Searcher):
    """Suggests the trainings of a race, as `next_round` asks for them; the run's log is all the state there is."""

    def __init__(self, settings: Settings, chosen: list[Config], events: list[Config]) -> None:
        """Go on from the `events` of the run; `chosen` are the start events of the search's trials that contend."""
        super().__init__(metric="fmd", mode="min")
        # The literature's are the slowest as a rule: begun first, nobody has to wait for them.
        slowest_first = sorted(chosen, key=lambda start: not start["baseline"])
        self._settings, self._chosen = settings, {start["trial"]: start for start in slowest_first}
        self._started = {event["trial"]: event for event in events if event["event"] == "start"}
        self._fmds = {event["trial"]: event["fmd"] for event in events if event["event"] == "report"}
        self._lost = {e["trial"] for e in events if e.get("state") == "FAIL" or e.get("diverged")}
        self._running: dict[str, Config] = {}
        self._failures = Counter[int]()

    def interrupted(self) -> int:
        """Return how many trainings were interrupted and are still to be suggested again."""
        return len(self._started.keys() - self._fmds.keys() - self._lost)

    def runs_again(self, number: int) -> bool:
        """Return whether a training that failed is going to be suggested once more."""
        return 0 < self._failures[number] <= MAX_FAILURES

    def suggest(self, trial_id: str) -> Config | None:
        """Return the next training, None while those that run decide, or FINISHED."""
        running = {config["trial"] for config in self._running.values()}
        missing, known = self._round(list(self._chosen))
        # While a round waits for its last, a slot without work does what the next one would ask of the others.
        done = {name: fmds for name, fmds in known.items() if fmds}
        waited_for = {contender for contender, _ in missing}
        ready = [name for name in (may_be_best(estimates(done)) if done else []) if name not in waited_for]
        for contender, repeat in [*missing, *self._round(ready)[0]]:
            if repeated(contender, repeat) not in running:
                self._running[trial_id] = self._config(contender, repeat)
                return self._running[trial_id]
        return None if running else Searcher.FINISHED  # type: ignore[return-value]  # as Ray has it

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Wait for the end: a training has one report."""

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Take in the FMD of a training; one that failed runs again, up to `MAX_FAILURES` times."""
        config = self._running.pop(trial_id)
        if not error and result is not None and "fmd" in result:
            self._fmds[config["trial"]] = result["fmd"]
            if result["diverged"]:
                self._lost.add(config["trial"])
            return
        self._failures[config["number"]] += 1
        if not self.runs_again(config["number"]):
            self._lost.add(config["trial"])

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the run's log has it."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing: a new race is made from the log."""

    def __getstate__(self) -> dict[str, Any]:
        """Ray Tune pickles its searcher for a restore that never comes."""
        return {}

    def _round(self, contenders: list[str]) -> tuple[list[tuple[str, int]], dict[str, list[float]]]:
        """Return what is to be trained of the first round that is not complete, as (contender, repeat).

        With it the FMDs by which that round was called, or those of the end. A contender of which a training diverged,
        or failed for good, has left the race.
        """
        lost = {
            name
            for name in contenders
            for repeat in range(self._settings.seeds)
            if repeated(name, repeat) in self._lost
        }
        known: dict[str, list[float]] = {name: [] for name in contenders if name not in lost}
        while wanted := next_round(known, self._settings.seeds):
            all_of_it = [(name, repeat) for name, count in wanted.items() for repeat in range(count)]
            missing = [(name, repeat) for name, repeat in all_of_it if repeated(name, repeat) not in self._fmds]
            if missing:
                return missing, {name: self._so_far(name) for name in known}
            for name, count in wanted.items():
                known[name] = [self._fmds[repeated(name, repeat)] for repeat in range(count)]
        return [], known

    def _so_far(self, contender: str) -> list[float]:
        """Return the FMDs of a contender's trainings, up to the first that is not there."""
        names = (repeated(contender, repeat) for repeat in range(self._settings.seeds))
        return [self._fmds[name] for name in takewhile(self._fmds.__contains__, names)]

    def _config(self, contender: str, repeat: int) -> Config:
        name, start = repeated(contender, repeat), self._chosen[contender]
        if name not in self._started:
            self._started[name] = {
                "trial": name,
                "number": len(self._started),
                "seed": _seed(self._settings.seed, _TRAINING, repeat),
                "sampling_seed": _seed(self._settings.seed, _SAMPLING, repeat),
                "baseline": start["baseline"],
                "variant": start["variant"],
                "repeats": contender,
            }
        event = self._started[name]
        return {key: event[key] for key in CONFIG}


CONFIG = ("trial", "number", "seed", "sampling_seed", "baseline", "variant", "repeats")


def repeated(contender: str, repeat: int) -> str:
    """Return the name of the training with the fresh seed of this index: `016-gaussian.0`."""
    return f"{contender}.{repeat}"


def _seed(seed: int, use: int, repeat: int) -> int:
    return int(np.random.SeedSequence((seed, repeat), spawn_key=(use,)).generate_state(1)[0])
