"""What each choice came to, all else averaged: geometric means of FMD with intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.run.run import Run
from analysis.statistics.comparable_trials import Row, cohort

FREEDOM = 3  # degrees of freedom; with two, t is above four, and an interval spans any FMD there is


@dataclass(frozen=True)
class Effect:
    """The FMD of the trials that made one choice.

    Attributes:
        name: the field, such as "schedule/kind".
        option: the choice: a value, or a third of the values as a range, "0.001..0.002".
        trials: how many trials made it.
        fmd: their geometric mean FMD.
        low, high: its 95 % interval.
    """

    name: str
    option: str
    trials: int
    fmd: float
    low: float
    high: float


def effects(run: Run) -> list[Effect]:
    """Return the choices field by field; empty without trials to compare, which `comparable_trials` chooses.

    Words come best first, numbers in ascending order. A diverged trial counts with the value of a blank set. A field
    is left out where too few trials made the same choice.

    The interval is Student's t on log FMD, with one standard deviation for all options of a field, pooled within them
    (one-way analysis of variance), because most options have too few trials for one of their own.

    Averaged is over what was tried, which a sampler such as TPE does not draw evenly: where a choice was mostly tried
    beside others that are good, it looks good. `analysis.statistics.importances` says the same of its values.
    """
    compared = cohort(run)
    if compared is None:
        return []
    found = []
    for name in compared.varied():
        options = _effects(name, compared.groups(name))
        words = isinstance(compared.values(name)[0], str)
        found += sorted(options, key=lambda effect: effect.fmd) if words else options
    return found


def _effects(name: str, groups: dict[str, list[Row]]) -> list[Effect]:
    from scipy.stats import t

    logs = {option: np.log([row["fmd"] for row in rows]) for option, rows in groups.items()}
    freedom = sum(len(values) - 1 for values in logs.values())
    if freedom < FREEDOM:
        return []
    deviation = np.sqrt(sum(((values - values.mean()) ** 2).sum() for values in logs.values()) / freedom)
    found = []
    for option, values in logs.items():
        margin = t.ppf(0.975, freedom) * deviation / np.sqrt(len(values))
        fmd, low, high = (float(np.exp(values.mean() + sign * margin)) for sign in (0, -1, 1))
        found.append(Effect(name, option, len(values), fmd, low, high))
    return found
