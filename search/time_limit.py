"""The time limit of a search, at the rungs of its trials."""

from __future__ import annotations

from collections.abc import Callable

from search.schedulers import Decision, Scheduler
from trainables.report import Report


class TimeLimit:
    """Decides by a scheduler as long as there is time.

    A trial that could not reach its next rung in time stops where it is, so that a search of slow networks ends too.
    """

    def __init__(self, scheduler: Scheduler, has_time: Callable[[float], bool]) -> None:
        """Take a scheduler, and a function that says whether a number of seconds is left."""
        self._scheduler, self._has_time = scheduler, has_time

    def on_report(self, number: int, report: Report) -> Decision:
        """Take in a report of the trial of this number, and return what the trial does."""
        decision = self._scheduler.on_report(number, report)
        if decision is not Decision.CONTINUE:
            return decision
        images = self._scheduler.next_rung(report.images_seen) - report.images_seen
        if self._has_time(images / report.images_per_second):
            return Decision.CONTINUE
        self._scheduler.remove(number)
        return Decision.STOP
