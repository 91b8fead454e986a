"""The race of a confirmation, as Ray Tune runs it: which training comes next."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

import numpy as np
from ray.tune.search import Searcher

from analysis.statistics.confidence import estimates, may_be_best, next_round
from search.settings import Settings
from search.study.tries import Tries

Config = dict[str, Any]
CONFIG = ("trial", "number", "seed", "sampling_seed", "baseline", "variant", "repeats")
# Apart from the seeds of a search's trials, (seed, number).
_TRAINING, _SAMPLING = 1, 2


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
        self.tries = Tries()

    def interrupted(self) -> int:
        """Return how many trainings were interrupted and are still to be suggested again."""
        return len(self._started.keys() - self._fmds.keys() - self._lost)

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
        """Take in the FMD of a training; one that failed runs again while it has tries."""
        config = self._running.pop(trial_id)
        if not error and result is not None and "fmd" in result:
            self._fmds[config["trial"]] = result["fmd"]
            if result["diverged"]:
                self._lost.add(config["trial"])
            return
        if not self.tries.fails(config["number"]):
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


def repeated(contender: str, repeat: int) -> str:
    """Return the name of the training with the fresh seed of this index: `016-gaussian.0`."""
    return f"{contender}.{repeat}"


def _seed(seed: int, use: int, repeat: int) -> int:
    return int(np.random.SeedSequence((seed, repeat), spawn_key=(use,)).generate_state(1)[0])
