"""The time limit of trials, at their rungs."""

import math
from collections.abc import Callable, Iterable
from statistics import median

from search.reserve import beside_training, cost_of_another, training_seconds
from search.schedulers import Decision, Scheduler
from trainables.report import Report


class TimeLimit:
    """Decides by a scheduler as long as there is time, and says which trials there is time for.

    A trial that could not reach its next rung in time stops where it is, so that slow networks hold up nothing.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        left: Callable[[], float],
        overtime: float = math.inf,
        reports: Iterable[tuple[int, Report]] = (),
    ) -> None:
        """Record the reports of earlier sessions, each with the number of its trial.

        `left` returns the seconds that are left, less than 0 once the time is up. Trials that run may go on for
        `overtime` seconds after that.
        """
        self._scheduler, self._left, self._overtime = scheduler, left, overtime
        self._last: dict[int, Report] = {}
        self._to_first_rung: list[float] = []
        for number, report in reports:
            self._add(number, report)

    def on_report(self, number: int, report: Report) -> Decision:
        """Record a report of the trial of this number, and return what the trial does."""
        self._add(number, report)
        decision = self._scheduler.on_report(number, report)
        if decision is not Decision.CONTINUE or self.has_time(number):
            return decision
        self._scheduler.remove(number)
        return Decision.STOP

    def has_time(self, number: int | None = None) -> bool:
        """Return whether the trial of this number, or else a new one, would reach its next rung in time."""
        left = self._left()
        return left > 0 and self._seconds(number) <= left

    def is_over(self) -> bool:
        """Return whether the time of trials that still run is over, too."""
        return self._left() < -self._overtime

    def _add(self, number: int, report: Report) -> None:
        if number not in self._last and not report.diverged:
            self._to_first_rung.append(cost_of_another(report).training)
        self._last[number] = report

    def _seconds(self, number: int | None) -> float:
        """Return the seconds that a trial is expected to take to its next rung; 0 where nothing is known."""
        last = None if number is None else self._last.get(number)
        if last is None:
            seconds = self._to_first_rung
            return median(seconds) if seconds else 0.0
        images = self._scheduler.next_rung(last.images_seen) - last.images_seen
        return training_seconds(last, images) + beside_training(last)
