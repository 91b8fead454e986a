"""Going on after an interruption: what the log says is brought into agreement with what Optuna says.

Everything that a search knows is in the log, the study's journal and the trials' checkpoints; each is written in one
piece, but a process can be killed between two of them. The log has the last word, and a report that it lacks was never
made: its trial is run again, and makes it again from its checkpoint.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from analysis.results import Run
from search.schedulers import Halving
from search.searcher import StudySearch
from search.study import State, state_at, state_of, tell_end, tell_report

Event = dict[str, Any]


class History:
    """The events of a run, by trial, replayed through `halving`, which holds its rungs as they were thereafter."""

    def __init__(self, events: list[Event], halving: Halving) -> None:
        """Replay the events in the order of the log."""
        self.started: set[str] = set()
        self.ended: dict[str, State] = {}
        self.reports: dict[str, list[Event]] = defaultdict(list)
        self.full, self._goes_on = halving.full, dict[str, bool]()
        for event in events:
            name = event["trial"]
            if event["event"] == "start":
                self.started.add(name)
            elif event["event"] == "end":
                self.ended[name] = event["state"]
            else:
                self.reports[name].append(event)
                self._goes_on[name] = halving.goes_on(name, event)

    def outcome(self, name: str) -> State | None:
        """Return how a trial ended, None for one that was still going on."""
        if name in self.ended:
            return self.ended[name]
        return None if self._goes_on.get(name, True) else state_at(self.reports[name][-1], self.full)


def reconcile(run: Run, history: History, searcher: StudySearch) -> None:
    """Close, in the log and in the study, the trials whose end is decided, and have the others run again first."""
    for frozen in searcher.study.get_trials():
        name = str(frozen.user_attrs.get("trial", ""))
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
    tell_end(trial, outcome)
