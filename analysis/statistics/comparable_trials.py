"""Which trials of a search are compared with each other: those that have a report at one number of images seen."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.run.run import Run
from analysis.run.tables import fields

# PED-ANOVA wants at least five trials in the top (Optuna's documentation), here a quarter of them, see importances.py.
# The same is asked of a budget for the effects, so that they and the importances are about the same trials.
ENOUGH = 20
# A field of at most so many different numbers counts as a list of values, such as batch sizes; the longest list in
# spaces/ has seven.
LEVELS = 8
DIGITS, MOST_DIGITS = 3, 17  # of a fraction: shown, and enough to tell any two apart


@dataclass(frozen=True)
class ComparableTrial:
    """A trial's report at the common budget, with its configuration as a dict of the fields that it has."""

    trial: str
    fmd: float
    diverged: bool
    variant: dict[str, Any]


@dataclass(frozen=True)
class ComparableTrials:
    """The trials that a search drew itself, baselines left out, that have a report at `images_seen`.

    Attributes:
        reported: the number of the drawn trials that are compared and of those that reported and ended earlier.
    """

    images_seen: int
    trials: tuple[ComparableTrial, ...]
    reported: int

    @property
    def selected(self) -> bool:
        """Whether the trials are survivors: others reported and ended before."""
        return len(self.trials) < self.reported

    def varied_fields(self) -> list[str]:
        """Return the configuration's fields of which two of the trials have different values."""
        names = dict.fromkeys(name for trial in self.trials for name in trial.variant)
        return [name for name in names if len(set(self.values(name))) > 1]

    def having(self, name: str) -> list[ComparableTrial]:
        """Return the trials that have a field."""
        return [trial for trial in self.trials if name in trial.variant]

    def values(self, name: str) -> list[Any]:
        """Return a field's values in the trials that have it."""
        return [trial.variant[name] for trial in self.having(name)]

    def groups(self, name: str) -> dict[str, list[ComparableTrial]]:
        """Return the trials that have a field, grouped by its value; numbers of a range by thirds, "0.001..0.002".

        Numbers count as values of a list if they are few and come back: the table of trials does not say from what
        domain they are. Trials of one value are never in two groups: the middle third has both values that bound it.
        """
        trials, values = self.having(name), self.values(name)
        distinct = sorted(set(values))
        if isinstance(distinct[0], str | bool) or len(distinct) <= min(LEVELS, len(values) / 2):
            return _by_text(name, [[t for t in trials if t.variant[name] == value] for value in distinct])
        low, high = np.quantile(values, [1 / 3, 2 / 3])
        thirds = [
            [trial for trial in trials if trial.variant[name] < low],
            [trial for trial in trials if low <= trial.variant[name] <= high],
            [trial for trial in trials if trial.variant[name] > high],
        ]
        return _by_text(name, [third for third in thirds if third])


def comparable_trials(run: Run) -> ComparableTrials | None:
    """Return the trials of the largest budget that `ENOUGH` have reached, else of the one that most have reached.

    Baselines are left out: nobody drew their fields, which differ from a search's in nearly everything at once. None
    if no drawn trial has reported.
    """
    table = run.trials()
    names = fields(table)
    drawn = [row for row in table.select(["trial", "baseline", "state", *names]).to_pylist() if row["baseline"] == ""]
    variants = {row["trial"]: {name: row[name] for name in names if row[name] is not None} for row in drawn}
    reports = [row for row in run.curves().to_pylist() if row["trial"] in variants]
    reached = Counter(row["images_seen"] for row in reports)
    if not reached:
        return None
    images = max(reached, key=lambda seen: (min(reached[seen], ENOUGH), seen))
    trials = tuple(
        ComparableTrial(row["trial"], row["fmd"], row["diverged"], variants[row["trial"]])
        for row in reports
        if row["images_seen"] == images
    )
    ended = {row["trial"] for row in drawn if row["state"] not in ("RUNNING", "PAUSED")}
    counted = {row["trial"] for row in reports if row["trial"] in ended} | {trial.trial for trial in trials}
    return ComparableTrials(images, trials, len(counted))


def _by_text(name: str, groups: Sequence[list[ComparableTrial]]) -> dict[str, list[ComparableTrial]]:
    """Return groups by the text of a field's values in each, with as many digits as tell the groups apart."""
    ends = []
    for group in groups:
        values = [trial.variant[name] for trial in group]
        ends.append((min(values), max(values)))
    for digits in range(DIGITS, MOST_DIGITS + 1):
        texts = [_range(low, high, digits) for low, high in ends]
        if len(set(texts)) == len(texts):
            break
    return dict(zip(texts, groups, strict=True))


def _range(least: float, most: float, digits: int) -> str:
    low, high = value_text(least, digits), value_text(most, digits)
    return low if low == high else f"{low}..{high}"


def value_text(value: str | float, digits: int = DIGITS) -> str:
    """Return the value of a field as text; a fraction has so many significant digits."""
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)
