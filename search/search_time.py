"""The time of a search: the budget of its command without the reserve for what comes after the search."""

import time

from analysis.run.run import Run
from search.confirmation.contenders import beaten, contenders, cost_of_each
from search.progress.budget import Budget
from search.reserve import END_SECONDS, Cost, Judging, reserve
from search.settings import Settings

# Seconds between two plans, and the share of the driver's time that planning takes at the most.
EVERY, SHARE = 2.0, 0.01


class SearchTime:
    """Says how long a search may go on; it plans the reserve from the run's log, anew every few seconds."""

    def __init__(self, run: Run, settings: Settings, budget: Budget, judging: Judging) -> None:
        """Plan nothing before the first question; `budget` is the whole command's, and `judging` the confirmation's."""
        self._run, self._settings, self._budget, self._judging = run, settings, budget, judging
        self._due, self._reserve = 0.0, 0.0

    def left(self) -> float:
        """Return the seconds that are left to the search; less than 0 after its end."""
        return self._budget.left() - self.after()

    def after(self) -> float:
        """Return the seconds that are kept back for what comes after the search."""
        began = time.monotonic()
        if began >= self._due:
            self._reserve = self._plan()
            ended = time.monotonic()
            self._due = ended + max(EVERY, (ended - began) / SHARE)
        return self._reserve + END_SECONDS

    def _plan(self) -> float:
        settings, limit, reports = self._settings, self._budget.limit, self._run.reports()
        # The first report of each process tells nothing: it comes after several times the seconds of later ones.
        told = sum(map(len, reports.values())) > settings.slots
        costs: list[Cost] = []
        if settings.confirm and told:
            chosen = contenders(self._run, settings.confirm, settings.rungs[-1])
            out = beaten(chosen, reports, settings.rungs[-1])
            left = [start for start in chosen if start.trial not in out]
            costs = list(cost_of_each(self._run, settings, left, self._judging).values())
        planned = reserve(costs, settings.confirm, settings.slots, limit)
        # With so few reports there is nothing to choose from: the first trials may then take all the time.
        return planned if costs or self._budget.left() > planned + END_SECONDS else 0.0
