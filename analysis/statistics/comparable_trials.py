"""Which trials of a search are compared with each other: those that have a report at one number of images seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.run.run import Run
from analysis.run.tables import fields

Row = dict[str, Any]

# PED-ANOVA wants at least five trials in the top (Optuna's documentation), here a quarter of them, see pedanova.py. The
# same is asked of a budget for the effects, so that they and the importances speak of the same trials.
ENOUGH = 20
LEVELS = 8  # numbers of a domain that lists its values, such as batch sizes; the longest list in spaces/ has seven


@dataclass(frozen=True)
class Cohort:
    """The trials that a search drew itself, baselines left out, that have a report at `images_seen`.

    Attributes:
        images_seen: the budget.
        rows: the reports there, each with its trial's configuration as "variant", a dict of the fields that it has.
        reported: how many drawn trials are here or ended before, after some report.
    """

    images_seen: int
    rows: tuple[Row, ...]
    reported: int

    @property
    def selected(self) -> bool:
        """Whether the rows are survivors: others reported and ended before."""
        return len(self.rows) < self.reported

    def varied(self) -> list[str]:
        """Return the configuration's fields of which two of the trials have different values."""
        names = dict.fromkeys(name for row in self.rows for name in row["variant"])
        return [name for name in names if len(set(self.values(name))) > 1]

    def having(self, name: str) -> list[Row]:
        """Return the rows of the trials that have a field."""
        return [row for row in self.rows if name in row["variant"]]

    def values(self, name: str) -> list[Any]:
        """Return a field's values in the trials that have it."""
        return [row["variant"][name] for row in self.having(name)]

    def groups(self, name: str) -> dict[str, list[Row]]:
        """Return the rows that have a field by its value; numbers from a range by thirds of them, as "0.001..0.002".

        Numbers count as values of a list if they are few and come back: the table of trials does not say from what
        domain they are. A value that a third of the trials share, as a default does, is a group of its own.
        """
        rows = self.having(name)
        values = [row["variant"][name] for row in rows]
        distinct = sorted(set(values))
        if isinstance(distinct[0], str | bool) or len(distinct) <= min(LEVELS, len(values) / 2):
            return {_text(value): [row for row in rows if row["variant"][name] == value] for value in distinct}
        third, two_thirds = np.quantile(values, [1 / 3, 2 / 3])
        places = [int(value >= third) + int(value > two_thirds) for value in values]
        parts = [[row for row, place in zip(rows, places, strict=True) if place == part] for part in range(3)]
        return {_range([row["variant"][name] for row in part]): part for part in parts if part}


def cohort(run: Run) -> Cohort | None:
    """Return the trials of the largest budget that `ENOUGH` have reached, else of the one that most have reached.

    Baselines are left out: nobody drew their fields, which differ from a search's in nearly everything at once. None
    if no drawn trial has reported.
    """
    trials = run.trials()
    names = fields(trials)
    drawn = [row for row in trials.select(["trial", "baseline", "state", *names]).to_pylist() if row["baseline"] == ""]
    variants = {row["trial"]: {name: row[name] for name in names if row[name] is not None} for row in drawn}
    reports = [row for row in run.curves().to_pylist() if row["trial"] in variants]
    reached = Counter(row["images_seen"] for row in reports)
    if not reached:
        return None
    images = max(reached, key=lambda seen: (min(reached[seen], ENOUGH), seen))
    rows = [row | {"variant": variants[row["trial"]]} for row in reports if row["images_seen"] == images]
    ended = {row["trial"] for row in reports} & {row["trial"] for row in drawn if row["state"] != "RUNNING"}
    return Cohort(images, tuple(rows), len(ended | {row["trial"] for row in rows}))


def _range(values: Sequence[float]) -> str:
    low, high = _text(min(values)), _text(max(values))
    return low if low == high else f"{low}..{high}"


def _text(value: str | float) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
