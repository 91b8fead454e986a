"""The effect of each choice: geometric means of FMD with intervals, all other fields averaged."""

from dataclasses import dataclass

import numpy as np

from analysis.run.run import Run
from analysis.statistics.comparable_trials import ComparableTrial, comparable_trials
from analysis.statistics.two_way import quantile

FREEDOM = 3  # the least degrees of freedom; with two, Student's t is above 4, and an interval says nothing


@dataclass(frozen=True)
class Effect:
    """The FMD of the trials that made one choice.

    Attributes:
        name: the field, such as "schedule/kind".
        option: the choice: a value, or a third of the values as a range, "0.001..0.002".
        trials: how many trials made it.
        fmd: their geometric mean FMD.
        low, high: its 95 % interval; None of a choice that one trial made, which shows no spread.
    """

    name: str
    option: str
    trials: int
    fmd: float
    low: float | None
    high: float | None


def effects(run: Run) -> list[Effect]:
    """Return the effect of each choice, field by field; empty without trials to compare (see `comparable_trials`).

    Words come best first, numbers in ascending order. A diverged trial counts with the FMD of black images. A field is
    left out where too few trials made the same choice.

    The interval is Student's t on log FMD, with one standard deviation for all options of a field, pooled within them
    (one-way analysis of variance), because most options have too few trials for one of their own.

    The mean is over what was tried, which a sampler such as TPE does not draw evenly: a choice that was mostly tried
    beside other good choices looks good. The same holds for `analysis.statistics.importances`.
    """
    compared = comparable_trials(run)
    if compared is None:
        return []
    found = []
    for name in compared.varied_fields():
        options = _effects(name, compared.groups(name))
        words = isinstance(compared.values(name)[0], str)
        found += sorted(options, key=lambda effect: effect.fmd) if words else options
    return found


def _effects(name: str, groups: dict[str, list[ComparableTrial]]) -> list[Effect]:
    logs = {option: np.log([trial.fmd for trial in trials]) for option, trials in groups.items()}
    freedom = sum(len(values) - 1 for values in logs.values())
    if freedom < FREEDOM:
        return []
    deviation = np.sqrt(sum(((values - values.mean()) ** 2).sum() for values in logs.values()) / freedom)
    found = []
    for option, values in logs.items():
        margin = quantile(0.95, freedom) * deviation / np.sqrt(len(values))
        mean = values.mean()
        fmd, low, high = np.exp([mean, mean - margin, mean + margin]).tolist()
        ends = (low, high) if len(values) > 1 else (None, None)
        found.append(Effect(name, option, len(values), fmd, *ends))
    return found
