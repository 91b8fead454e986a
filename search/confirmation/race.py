"""The race of a confirmation: which training comes next, and which still end before the command has to."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import takewhile

import numpy as np

from analysis.run.events import End, Event, Start
from analysis.run.run import Run
from analysis.statistics.confidence import may_be_best, next_round
from analysis.statistics.two_way import estimates
from search.progress.budget import OVERTIME, Budget
from search.reserve import END_SECONDS, SEEDS, START_SECONDS, Cost, cost_of_another, in_waves
from search.tries import Tries
from trainables.report import Report

# Kept apart from the seeds of a search's trials, (seed, number).
_TRAINING, _SAMPLING = 1, 2
# Shares of the budget by which a training may end late by its plan. The first seeds of the best trial may end later
# than others, because without them there is no confirmation at all.
LATE, LATE_BEST = 0.03, OVERTIME


class Race:
    """The trainings of a race, as `next_round` asks for them; the run's log is all the state there is.

    Attributes:
        tries: which trainings that failed run again.
    """

    def __init__(
        self,
        seed: int,
        seeds: int,
        contenders: Iterable[Start],
        events: Iterable[Event],
        has_time: Callable[[str, int], bool] = lambda contender, repeat: True,
        chooses: bool = False,
    ) -> None:
        """Go on from a log.

        Args:
            seed: of the search.
            seeds: fresh seeds of a contender at most.
            contenders: starts of the search's trials that contend.
            events: the log of the confirmation's run.
            has_time: says whether there is time for a contender's training with the fresh seed of an index.
            chooses: whether the first training of each chooses its guidance, with which all others of it are sampled.
        """
        self.tries = Tries()
        self._seed, self._seeds, self._has_time, self._chooses = seed, seeds, has_time, chooses
        # The literature's are the slowest as a rule: begun first, they end with the others.
        slowest_first = sorted(contenders, key=lambda start: start.baseline == "")
        self._contenders = {start.trial: start for start in slowest_first}
        self._started: dict[str, Start] = {}
        self._fmds: dict[str, float] = {}
        self._chosen: dict[str, dict[str, float]] = {}
        """By contender what its first training chose of its configuration"""
        self._lost: set[str] = set()
        """Trainings that diverged or failed for good"""
        self._running: set[str] = set()
        for event in events:
            self._replay(event)

    @property
    def interrupted(self) -> int:
        """How many trainings of the contenders were interrupted and are still to run again."""
        started = {name for name, start in self._started.items() if start.repeats in self._contenders}
        return len(started - self._fmds.keys() - self._lost - self._running)

    @property
    def is_cut(self) -> bool:
        """Whether the race ended before all trainings that it asks for were done."""
        missing, _ = self._round(list(self._contenders))
        return bool(missing)

    def next_trial(self) -> Start | None:
        """Return the next training; None while it depends on those that run, when the time is up, or at the end."""
        missing, known = self._round(list(self._contenders))
        # While a round waits for its last training, a free slot does what the next round would ask of the others.
        reported = {name: dict(enumerate(fmds)) for name, fmds in known.items() if fmds}
        unfinished = {contender for contender, _ in missing}
        candidates = may_be_best(estimates(reported)) if reported else []
        ahead, _ = self._round([name for name in candidates if name not in unfinished])
        for contender, repeat in [*missing, *ahead]:
            waits = self._chooses and repeat > 0 and repeated(contender, 0) not in self._fmds
            if not waits and repeated(contender, repeat) not in self._running and self._has_time(contender, repeat):
                start = self._start(contender, repeat)
                self._running.add(start.trial)
                return start
        return None

    def on_report(self, trial: Start, report: Report) -> None:
        """Do nothing: a training has one report, which ends it."""

    def on_end(self, trial: Start, last: Report | None, failed: bool) -> None:
        """Record the FMD of a training; one that failed runs again while it has tries."""
        self._running.discard(trial.trial)
        if last is not None and not failed:
            self._replay(last)
        elif not self.tries.count_failure(trial.number):
            self._lost.add(trial.trial)

    def finish(self) -> None:
        """Do nothing: no training is paused, and one that the time cut off goes on once there is time."""

    def _replay(self, event: Event) -> None:
        if isinstance(event, Start):
            self._started.setdefault(event.trial, event)
        elif isinstance(event, Report):
            self._fmds[event.trial] = event.fmd
            if event.chosen:
                self._chosen[str(self._started[event.trial].repeats)] = event.chosen
        lost = event.state == "FAILED" if isinstance(event, End) else isinstance(event, Report) and event.diverged
        if lost:
            self._lost.add(event.trial)

    def _round(self, contenders: list[str]) -> tuple[list[tuple[str, int]], dict[str, list[float]]]:
        """Return what is missing of the first incomplete round, as (contender, repeat), and the FMDs so far.

        The FMDs are those by which that round was called, or those of the end. A contender of which a training
        diverged, or failed for good, has left the race.
        """
        known: dict[str, list[float]] = {name: [] for name in contenders if not self._has_left(name)}
        while wanted := next_round(known, self._seeds):
            trainings = [(name, repeat) for name, count in wanted.items() for repeat in range(count)]
            missing = [(name, repeat) for name, repeat in trainings if repeated(name, repeat) not in self._fmds]
            if missing:
                return missing, {name: self._so_far(name) for name in known}
            for name, count in wanted.items():
                known[name] = [self._fmds[repeated(name, repeat)] for repeat in range(count)]
        return [], known

    def _has_left(self, contender: str) -> bool:
        return any(repeated(contender, repeat) in self._lost for repeat in range(self._seeds))

    def _so_far(self, contender: str) -> list[float]:
        """Return the FMDs of a contender's trainings, up to the first that is not there."""
        names = (repeated(contender, repeat) for repeat in range(self._seeds))
        return [self._fmds[name] for name in takewhile(self._fmds.__contains__, names)]

    def _start(self, contender: str, repeat: int) -> Start:
        name = repeated(contender, repeat)
        if name not in self._started:
            start = self._contenders[contender]
            self._started[name] = replace(
                start,
                variant={**start.variant, **self._chosen.get(contender, {})},
                chooses=self._chooses and repeat == 0,
                trial=name,
                number=1 + max((one.number for one in self._started.values()), default=-1),
                seed=_seed(self._seed, _TRAINING, repeat),
                sampling_seed=_seed(self._seed, _SAMPLING, repeat),
                repeats=contender,
                time=0.0,
            )
        return self._started[name]


def repeated(contender: str, repeat: int) -> str:
    """Return the name of the training with the fresh seed of this index: `016-gaussian.0`."""
    return f"{contender}.{repeat}"


def _seed(seed: int, use: int, repeat: int) -> int:
    return int(np.random.SeedSequence((seed, repeat), spawn_key=(use,)).generate_state(1)[0])


class RaceTime:
    """Says whether one more training of a race, and the measurement on the test images after it, end in time."""

    def __init__(self, nested: Run, budget: Budget, costs: Mapping[str, Cost], best: str, slots: int) -> None:
        """Plan by the costs that the search leads to, until a training of the contender has reported.

        Args:
            nested: the run of the confirmation.
            budget: of the command.
            costs: of each contender.
            best: the contender that the search ranks first.
            slots: trainings at a time.
        """
        self._nested, self._budget, self._costs, self._best, self._slots = nested, budget, dict(costs), best, slots

    def has_time(self, contender: str, repeat: int) -> bool:
        """Return whether there is time for a contender's training with the fresh seed of this index."""
        late = LATE_BEST if contender == self._best and repeat < SEEDS else LATE
        return self._cost(contender).training + self.after(contender) <= self._budget.left() + late * self._budget.limit

    def after(self, *more: str) -> float:
        """Return the seconds from the end of the race to that of the command if each of `more` is trained once more."""
        begun = [str(start.repeats) for start in self._nested.starts().values()]
        models = [self._cost(contender).test for contender in (*begun, *more) if contender in self._costs]
        return START_SECONDS + in_waves(models, self._slots) + END_SECONDS

    def _cost(self, contender: str) -> Cost:
        starts = self._nested.starts()
        measured = [
            reports[-1] for name, reports in self._nested.reports().items() if starts[name].repeats == contender
        ]
        return cost_of_another(measured[-1]) if measured else self._costs[contender]
