"""The time of a race: which trainings still end before the command has to."""

from collections.abc import Mapping

from analysis.run.run import Run
from search.progress.budget import OVERTIME, Budget
from search.reserve import END_SECONDS, SEEDS, START_SECONDS, Cost, cost_of_another, in_waves

# Shares of the budget by which a training may end late by its plan. The first seeds of the best trial may end later
# than others, because without them there is no confirmation at all.
LATE, LATE_BEST = 0.03, OVERTIME


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
