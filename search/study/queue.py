"""What a search runs next: interrupted and promoted trials, then baselines, starting points and what Optuna suggests.

A draw is a function of the search's seed, the trial's number and what the study knows then. So a search that was killed
at any moment draws what it would have drawn. What it knows depends on the order in which trials end, which is always
the same with one slot.

In the study a trial is COMPLETE at the full budget only, and PRUNED with its value at each rung where it was stopped
before. A paused trial is RUNNING there, because a study cannot take up again what has ended.
"""

import json
import re
from collections import deque
from collections.abc import Callable
from itertools import takewhile

import optuna
from optuna.trial import FrozenTrial, TrialState

from analysis.run.events import Start, State
from search.earlier.warm_start import WarmStart
from search.history import History, end_state
from search.schedulers import Scheduler
from search.settings import Settings
from search.space.space import Rejected, Space
from search.study.journal import OUTSIDE, attributes_of, prior_trials, reopen, run_state, tell_end, tell_report
from search.study.samplers import make_sampler, trial_seed
from search.tries import Tries
from trainables.config import Flat
from trainables.domain import ConfigError
from trainables.report import Report

# Draws in a row that are discarded, before one that an earlier run measured runs again: in a small space all variants
# may be measured. The second half of them is random, because a sampler may insist on what is best so far, and learns
# nothing from a draw that cannot be.
REDRAWS = 20


class TrialQueue:
    """The trials of one search; its study and its scheduler are all the state there is."""

    def __init__(
        self,
        settings: Settings,
        space: Space,
        study: optuna.Study,
        scheduler: Scheduler,
        has_time: Callable[[int | None], bool] = lambda number: True,
        warm_start: WarmStart | None = None,
    ) -> None:
        """Enqueue the baselines and starting points that the study does not have yet.

        `study` agrees with the log, which `scheduler` has replayed. `has_time` says whether there is time to take the
        trial of a number, or else a new one, to its next rung.
        """
        self.tries = Tries()
        self.on_prune: Callable[[str], None] = lambda trial: None  # called with a trial's name before it is pruned
        self.note: Callable[[str], None] = lambda line: None  # called with a line about a draw that is no valid variant
        self._settings, self._space, self._study, self._scheduler = settings, space, study, scheduler
        self._has_time = has_time
        self._warm_start = warm_start or WarmStart.of((), space, settings.rungs[-1])
        self._running: set[int] = set()
        self._again: deque[int] = deque()
        trials = study.get_trials(deepcopy=False)
        self._asked = sum(trial.state != TrialState.WAITING for trial in trials)
        self._discarded = sum(map(_is_discarded, trials))
        self._told: set[str] = set()
        prior = prior_trials(self._warm_start.prior, settings, space)
        of_search = (settings.seed, settings.slots, scheduler.paused)
        self._sampler = study.sampler = make_sampler(settings.sampler, *of_search, prior)
        self._random = make_sampler("random", *of_search)
        # Baselines and starting points are the study's first trials; what is queued already is left out.
        for baseline, values in self._warm_start.queue[len(trials) :]:
            answers = space.answers_for(values) or {} if baseline else values
            study.enqueue_trial(answers, user_attrs={"baseline": baseline})

    def resume(self, history: History) -> list[tuple[str, State]]:
        """Close in the study the trials whose end is decided, and run those again first that were interrupted.

        Returns:
            Name and state of each trial that has ended and of which the log has no end.
        """
        closed: list[tuple[str, State]] = []
        for frozen in self._study.get_trials(deepcopy=False):
            name = str(frozen.user_attrs.get("trial", ""))
            if frozen.state == TrialState.RUNNING:
                state = self._go_on(frozen.number, name, history)
            else:
                state = run_state(frozen.state)
                if frozen.state.is_finished():
                    self._scheduler.remove(frozen.number)  # it may have ended in the study alone
            started = name in history.starts and frozen.state != TrialState.WAITING
            if state is not None and started and name not in history.ended:
                closed.append((name, state))
        return closed

    @property
    def interrupted(self) -> int:
        """How many interrupted trials are still to run again."""
        return len(self._again)

    def next_trial(self) -> Start | None:
        """Return the next trial to run, as it was before if it ran already, or None where there is none now."""
        while (trial := self._next()) is not None:
            start = self._start(trial)
            if start is None:
                self._discarded += 1
                self._close(trial.number, "FAILED", None)
                continue
            self._running.add(trial.number)
            return start
        return None

    def on_report(self, trial: Start, report: Report) -> None:
        """Record a report of a trial that continues."""
        tell_report(self._study, trial.number, report)

    def on_end(self, trial: Start, last: Report | None, failed: bool) -> None:
        """Handle the end of a trial's process, with the report that stopped or paused it.

        A trial that failed runs again while it has tries; a paused one has not ended.
        """
        self._running.discard(trial.number)
        if failed and self.tries.count_failure(trial.number):
            self._again.append(trial.number)
            return
        if last is not None:
            tell_report(self._study, trial.number, last)
        if trial.number not in self._scheduler.paused:
            self._close(trial.number, "FAILED" if failed else end_state(last, self._settings.rungs[-1]), last)

    def finish(self) -> None:
        """Prune what has not ended, when nothing is left to run: paused trials, and those that the time cut off."""
        self._prune(sorted({*self._scheduler.paused, *self._running, *self._again}))
        self._running.clear()
        self._again.clear()

    def _go_on(self, number: int, name: str, history: History) -> State | None:
        """Return how a trial that is open in the study has ended; None if it is paused, or runs again."""
        state = history.outcome(name)
        for report in history.reports.get(name, []):
            tell_report(self._study, number, report)
        if state is None and not history.is_paused(name):
            self._again.append(number)
        if state is not None:
            self._close(number, state, history.last_report(name))
        return state

    def _next(self) -> optuna.Trial | None:
        trials = self._settings.trials
        # Discarded draws do not count, up to REDRAWS for each trial.
        left = trials + min(self._discarded, REDRAWS * trials) - self._asked
        asks = left > 0 and self._has_time(None)
        again = [number for number in self._again if self._has_time(number)]
        to_come = sum(not self._scheduler.has_report(number) for number in [*self._running, *again])
        if asks:
            to_come += left
        self._prune(self._scheduler.unpromotable(to_come))
        if again:
            self._again.remove(again[0])
            return reopen(self._study, again[0])
        promoted = self._scheduler.promote(more=to_come > 0, idle=not self._running, can=self._has_time)
        if promoted is not None:
            return reopen(self._study, promoted)
        if not asks:
            return None
        self._asked += 1
        return self._study.ask()

    def _prune(self, numbers: list[int]) -> None:
        trials = self._study.get_trials(deepcopy=False) if numbers else []
        for number in numbers:
            if "trial" in trials[number].user_attrs:  # else it has no variant yet
                self.on_prune(trials[number].user_attrs["trial"])
            self._close(number, "PRUNED", None)

    def _close(self, number: int, state: State, last: Report | None) -> None:
        self._scheduler.remove(number)
        tell_end(self._study, number, state, last, self._settings.objectives)

    def _start(self, trial: optuna.Trial) -> Start | None:
        """Return the start of a trial; None for a draw that is discarded."""
        attributes = trial.user_attrs
        baseline = str(attributes.get("baseline", ""))
        if "variant" in attributes:
            variant = dict(json.loads(attributes["variant"]))
            return self._named(trial.number, str(attributes["trial"]), baseline, variant)
        discarded = self._discarded_before(trial.number)
        self._study.sampler = self._sampler if discarded < REDRAWS // 2 else self._random
        try:
            variant = self._draw(trial, baseline)
        except Rejected:
            return None
        except ConfigError as error:  # too rare for the check of the space to have drawn it
            self._tell(f"a draw cannot be, and another follows: {error}")
            return None
        is_drawn = trial.number >= len(self._warm_start.queue)
        if is_drawn and discarded < REDRAWS and self._warm_start.is_measured(variant):
            return None
        name = trial_name(trial.number, baseline, variant, self._space.names)
        start = self._named(trial.number, name, baseline, variant)
        for attribute, value in attributes_of(start).items():
            trial.set_user_attr(attribute, value)
        return start

    def _tell(self, line: str) -> None:
        """Note a line, once."""
        if line not in self._told:
            self._told.add(line)
            self.note(line)

    def _named(self, number: int, name: str, baseline: str, variant: Flat) -> Start:
        return Start(name, number, trial_seed(self._settings.seed, number), baseline, variant)

    def _discarded_before(self, number: int) -> int:
        """Return how many draws were discarded one after the other just before the trial of a number."""
        earlier = reversed(self._study.get_trials(deepcopy=False)[:number])
        return sum(1 for _ in takewhile(_is_discarded, earlier))

    def _draw(self, trial: optuna.Trial, baseline: str) -> Flat:
        """Return a new trial's variant: as the literature has it, or as the space draws it.

        A baseline that the space can express has its answers enqueued; drawing it makes them the trial's parameters.
        One that it cannot express has no parameters, and is marked infeasible, so that it does not take the place of a
        trial with parameters among the best, which TPE learns from.
        """
        if not baseline:
            return self._space.draw(trial)
        variant = next(entry.variant for entry in self._space.baselines if entry.name == baseline)
        if self._space.answers_for(variant) is not None:
            return self._space.draw(trial)
        if OUTSIDE not in trial.constraints:  # it is there if the search was killed before the trial started
            trial.set_constraint(OUTSIDE, 1.0)
        return variant


def trial_name(number: int, baseline: str, variant: Flat, searched: tuple[str, ...]) -> str:
    """Return a name that is unique in the run and good for a file: number and baseline, or number and first kind.

    A network that is told classes is marked, because labels are information that the others do not have; one that is
    told clusters has its own mark.
    """
    texts = (variant[name] for name in (*searched, "degradation/kind") if isinstance(variant.get(name), str))
    told = variant.get("network/conditioning", "none")
    mark = "" if told == "none" else f"-{told}"
    return f"{number:03d}-" + re.sub(r"[^A-Za-z0-9.+-]+", "_", baseline or str(next(texts))) + mark


def _is_discarded(trial: FrozenTrial) -> bool:
    """Return whether a trial of the study was asked for, and never became a trial of the search."""
    return trial.state == TrialState.FAIL and "trial" not in trial.user_attrs
