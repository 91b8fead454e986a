"""The trials that a confirmation trains again: of those that contend, the ones worth the time that is left."""

from dataclasses import dataclass

from analysis.run.events import Start
from analysis.run.run import Run
from search.confirmation.contenders import beaten, contenders, cost_of_each, fresh_seeds
from search.progress.budget import as_clock
from search.reserve import Cost, Judging, affordable
from search.settings import Settings


@dataclass(frozen=True)
class Selection:
    """The trials that race, and why others of those that contend do not."""

    chosen: list[Start]
    costs: dict[str, Cost]
    """Of every trial that contends, the best first"""
    left_out: dict[str, str]
    """What is said of each trial that is not trained again, by its name"""
    is_short: bool
    """Whether there is no time for one of them"""


def select(run: Run, settings: Settings, judging: Judging, left: float) -> Selection:
    """Return which trials race: those that contend, are not beaten beyond doubt, and can be trained in time.

    Args:
        run: the search, which has ended.
        settings: its settings.
        judging: how the confirmation judges.
        left: seconds for the trainings and the test images.
    """
    reports, full, seeds = run.reports(), settings.rungs[-1], fresh_seeds(run)
    contending = contenders(run, settings.confirm, full)
    costs = cost_of_each(run, settings, contending, judging)
    reasons = beaten(contending, reports, full)
    settled = reasons.keys() | seeds.keys()
    fresh = [start.trial for start in contending if start.trial not in settled]
    kept = affordable([costs[name] for name in fresh], settings.slots, left)
    late = [name for index, name in enumerate(fresh) if index not in kept]
    reasons |= {name: f"no time for a training of {as_clock(costs[name].training)}" for name in late}
    return Selection(
        chosen=[start for start in contending if start.trial not in reasons],
        costs=costs,
        left_out={
            start.trial: f"{start.baseline or start.trial} was not trained again: {reasons[start.trial]}"
            for start in contending
            if start.trial in reasons
        },
        is_short=bool(late),
    )
