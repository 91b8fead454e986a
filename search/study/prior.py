"""Trials of earlier runs as Optuna's samplers take them; they are in no study."""

from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState, create_trial

from analysis.run.earlier import EarlierTrial
from search.settings import Settings
from search.space.space import Space
from search.study.journal import DIVERGED, objective_values, parameters


def prior_trials(earlier: Sequence[EarlierTrial], settings: Settings, space: Space) -> list[FrozenTrial]:
    """Return earlier trials that the space draws, in their order, numbered up to -1: before those of the search.

    A trial with a value at the full budget is COMPLETE, another one PRUNED at its last images seen. With two objectives
    only those that are COMPLETE tell anything.
    """
    trials = [trial for one in earlier if (trial := _trial(one, settings, space)) is not None]
    for number, trial in enumerate(trials, start=-len(trials)):
        trial.number = number
    return trials


def _trial(earlier: EarlierTrial, settings: Settings, space: Space) -> FrozenTrial | None:
    last, single = earlier.reports[-1], len(settings.objectives) == 1
    complete = last.images_seen == settings.rungs[-1] and not last.diverged
    if not complete and not single:
        return None
    params, distributions = parameters(space, dict(earlier.variant))
    return create_trial(
        state=TrialState.COMPLETE if complete else TrialState.PRUNED,
        values=objective_values("COMPLETE", last, settings.objectives) if complete else None,
        params=params,
        distributions=distributions,
        intermediate_values={report.images_seen: report.fmd for report in earlier.reports} if single else {},
        constraints={DIVERGED: 1.0} if last.diverged else {},
    )
