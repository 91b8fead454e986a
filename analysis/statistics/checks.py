"""What the trainings of a confirmation show beside their FMD, for each configuration."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from statistics import fmean

from analysis.statistics.ranking import Row
from trainables.report import CHECKS

Values = Mapping[str, float]
"""Checks by their names; those that were not measured are left out"""


def mean_checks(rows: Iterable[Row]) -> dict[str, Values]:
    """Return by configuration the mean of each check over its trainings, the rows; without any it is left out."""
    grouped: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        for check in CHECKS:
            if row[check] is not None:
                grouped[row["repeats"]][check].append(row[check])
    return {name: {check: fmean(values) for check, values in checks.items()} for name, checks in grouped.items()}


def measured(values: Mapping[str, float | None]) -> Values:
    """Return the values without those that were not measured."""
    return {name: value for name, value in values.items() if value is not None}
