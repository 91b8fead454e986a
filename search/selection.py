"""The trials that a confirmation trains again: of those that contend, the ones worth the time that is left."""

from dataclasses import dataclass

from analysis.run.events import Start
from analysis.run.run import Run
from search.contenders import contenders, defeat
from search.progress.budget import as_clock
from search.reserve import Cost, affordable, cost
from search.settings import Settings


@dataclass(frozen=True)
class Selection:
    """The trials that race, and why others of those that contend do not."""

    chosen: list[Start]
    costs: dict[str, Cost]
    """Of every trial that contends"""
    left_out: dict[str, str]
    """What is said of each trial that is not trained again, by its name"""


def select(run: Run, settings: Settings, scale: float, left: float) -> Selection:
    """Return which trials race: those that contend, are not beaten beyond doubt, and can be trained in time.

    Args:
        run: the search, which has ended.
        settings: its settings.
        scale: how many times the samples of the search the confirmation generates.
        left: seconds for the trainings and the test images.
    """
    contending, reports, full = contenders(run, settings.confirm), run.reports(), settings.rungs[-1]
    costs = {start.trial: cost(reports[start.trial], full, scale) for start in contending}
    left_out: dict[str, str] = {}
    for start in contending[1:]:
        found = defeat(reports[start.trial], reports[contending[0].trial], full)
        if found is not None:
            left_out[start.trial] = f"{_spoken(start)} was not trained again: {found}"
    begun = _begun(run)
    fresh = [start for start in contending if start.trial not in {*left_out, *begun}]
    kept = {fresh[index].trial for index in affordable([costs[s.trial] for s in fresh], settings.slots, left)}
    for start in fresh:
        if start.trial not in kept:
            takes = as_clock(costs[start.trial].training)
            left_out[start.trial] = f"{_spoken(start)} was not trained again: no time for a training of {takes}"
    return Selection([start for start in contending if start.trial not in left_out], costs, left_out)


def _begun(run: Run) -> set[str]:
    """Return the trials of which a training of the confirmation has reported."""
    nested = run.confirmed()
    if nested is None:
        return set()
    starts = nested.starts()
    return {str(starts[name].repeats) for name in nested.reports()}


def _spoken(start: Start) -> str:
    return start.baseline or start.trial
