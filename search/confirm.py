"""After the search: the best trials again, with fresh seeds and judged by other real images, until one is the best.

A search picks its winner by the very number that it reports it by, of one training each. Here the best few and the best
of the literature are contenders in a race (analysis/confidence.py). Each training takes the next of the fresh seeds,
which are the same for all contenders, as are the images seen and the noise that samples start from. It is judged by the
images that are kept for this, and the winner and what cannot be told from it then by the test set, once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from ray.tune.search import Searcher
from rich.console import Console

from analysis import rank
from analysis.confidence import next_round
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
    nested = run.confirmed() or Run.create(run.path, run.confirmation.name)
    full = replace(settings, name=nested.name, rungs=settings.rungs[-1:], trials=settings.seeds * len(chosen))
    samples = min(SAMPLES["gpu" if settings.gpus_per_trial else "cpu"], len(images.search), len(images.confirm))
    judge = Reference.build(images, "confirm", samples, reference.layer, reference.weights)
    nested.write_settings({**nested.settings(), **_card(run, full, chosen, judge)})
    status = _race(nested, full, chosen, images, judge, quiet)
    judged = verdict(run)
    if status == "done" and judged is not None:
        say: Callable[[str], None] = (lambda line: None) if quiet else print
        measure_finally(nested, full, judged, images, min(samples, len(images.test)), say)
    return status


def _card(run: Run, settings: Settings, chosen: list[Config], judge: Reference) -> dict[str, Any]:
    kept = {name: run.settings()[name] for name in ("versions", "data", "classifier")}
    names = [start["trial"] for start in chosen]
    return {"settings": settings.saved(), **kept, "metric": judge.card(), "contenders": names, "tested": False}


def _race(
    nested: Run, settings: Settings, chosen: list[Config], images: Images, judge: Reference, quiet: bool
) -> Status:
    scheduler = Scheduler(settings.rungs, settings.reduction_factor)
    history = History(nested.events(), scheduler)
    # The race ends by itself: the search's time budget is not its.
    ledger = Ledger.load(settings.slots, float("inf"), nested.settings())
    race = Race(settings, chosen, nested.events())
    display = Display(settings, ledger, Console(), quiet)
    recorder = Recorder(nested, history, ledger, display, race.runs_again, kept_checkpoints=settings.trials)
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
        self._settings, self._chosen = settings, {start["trial"]: start for start in chosen}
        self._started = {event["trial"]: event for event in events if event["event"] == "start"}
        self._fmds = {event["trial"]: event["fmd"] for event in events if event["event"] == "report"}
        self._lost = {event["trial"] for event in events if event.get("state") == "FAIL"}
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
        missing = self._missing(list(self._chosen))
        # While a round waits for its last, a slot without work does what the next one would ask of the others.
        ready = [name for name in self._chosen if name not in {contender for contender, _ in missing}]
        for contender, repeat in [*missing, *(self._missing(ready) if ready and missing else [])]:
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

    def _missing(self, contenders: list[str]) -> list[tuple[str, int]]:
        """Return what is still to be trained of the first round that is not complete, as (contender, repeat).

        A contender of which a training failed for good has left the race.
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
                return missing
            for name, count in wanted.items():
                known[name] = [self._fmds[repeated(name, repeat)] for repeat in range(count)]
        return []

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
