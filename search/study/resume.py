"""Going on after an interruption: what the log says is brought into agreement with what Optuna says.

Everything that a search knows is in the log, the study's journal and the trials' checkpoints; each is written in one
piece, but a process can be killed between two of them. The log has the last word, and a report that it lacks was never
made: its trial is run again, and makes it again from its checkpoint.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from analysis.run.run import Run
from search.schedulers import Fate, Scheduler
from search.study.journal import State, state_at, state_of, tell_end, tell_report
from search.study.queue import StudySearch

Event = dict[str, Any]


class History:
    """The events of a run, by trial, replayed through `scheduler`, which holds its rungs as they were thereafter."""

    def __init__(self, events: list[Event], scheduler: Scheduler) -> None:
        """Replay the events in the order of the log."""
        self.started: set[str] = set()
        self.ended: dict[str, State] = {}
        self.reports: dict[str, list[Event]] = defaultdict(list)
        self.full, self._fates = scheduler.rungs[-1], dict[str, Fate]()
        numbers: dict[str, int] = {}
        for event in events:
            name = event["trial"]
            if event["event"] == "start":
                self.started.add(name)
                numbers[name] = event["number"]
            elif event["event"] == "end":
                self.ended[name] = event["state"]
                scheduler.withdraw(numbers[name])
            else:
                self.reports[name].append(event)
                self._fates[name] = scheduler.enter(numbers[name], event)

    def waits(self, name: str) -> bool:
        """Return whether a trial waited at its rung."""
        return name not in self.ended and self._fates.get(name) is Fate.WAITS

    def outcome(self, name: str) -> State | None:
        """Return how a trial ended, None for one that was still going on."""
        if name in self.ended:
            return self.ended[name]
        ended = self._fates.get(name) is Fate.STOPS
        return state_at(self.reports[name][-1], self.full) if ended else None


def reconcile(run: Run, history: History, searcher: StudySearch) -> None:
    """Close, in the log and in the study, the trials whose end is decided, and have the others run again first."""
    for frozen in searcher.study.get_trials(deepcopy=False):
        name = str(frozen.user_attrs.get("trial", ""))
        if history.waits(name) and frozen.state == TrialState.RUNNING:
            searcher.hold(frozen.number, history.reports[name])
            continue
        searcher.forget(frozen.number)  # it may have ended in the study alone
        if frozen.state == TrialState.RUNNING:
            outcome = history.outcome(name)
            if outcome is None:
                searcher.run_again(frozen.number)
                continue
            _close(searcher, frozen, history.reports[name], outcome)
        if name in history.started and name not in history.ended and frozen.state != TrialState.WAITING:
            state = history.ended.setdefault(name, history.outcome(name) or state_of(frozen))
            run.append({"event": "end", "trial": name, "state": state})


def _close(searcher: StudySearch, frozen: FrozenTrial, reports: list[Event], outcome: State) -> None:
    trial = searcher.trial(frozen.number)
    for report in reports:
        tell_report(trial, report)
    tell_end(trial, outcome, reports[-1] if reports else None, searcher.settings.objectives)
