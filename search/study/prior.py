"""Trials of earlier runs as Optuna's samplers take them; they are in no study."""

from collections.abc import Sequence

from optuna.trial import FrozenTrial

from analysis.run.earlier import EarlierTrial
from search.history import end_state
from search.settings import Settings
from search.space.space import Space
from search.study.journal import as_trial


def prior_trials(earlier: Sequence[EarlierTrial], settings: Settings, space: Space) -> list[FrozenTrial]:
    """Return earlier trials that the space draws, in their order, numbered up to -1: before those of the search.

    A trial with a value at the full budget is COMPLETE, another one PRUNED at its last images seen. With two objectives
    only those that are COMPLETE tell anything.
    """
    ended = [(one, end_state(one.reports[-1], settings.rungs[-1])) for one in earlier]
    told = [(one, state) for one, state in ended if state == "COMPLETE" or len(settings.objectives) == 1]
    trials = [as_trial(settings, space, one.variant, one.reports, state) for one, state in told]
    for number, trial in enumerate(trials, start=-len(trials)):
        trial.number = number
    return trials
