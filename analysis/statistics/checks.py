"""What the trainings of a confirmation show beside their FMD, for each configuration."""

from collections.abc import Iterable, Mapping
from statistics import fmean

from analysis.statistics.ranking import Row
from trainables.report import CHECKS

Values = Mapping[str, float]
"""Checks by their names; those that were not measured are left out"""


def mean_checks(rows: Iterable[Row]) -> dict[str, Values]:
    """Return by configuration the mean of each check over its trainings, the rows; without any it is left out."""
    grouped: dict[str, list[Row]] = {}
    for row in rows:
        grouped.setdefault(row["repeats"], []).append(row)
    means = {name: {check: _mean(of_one, check) for check in CHECKS} for name, of_one in grouped.items()}
    known = {name: measured(values) for name, values in means.items()}
    return {name: values for name, values in known.items() if values}


def measured(values: Mapping[str, float | None]) -> Values:
    """Return the values without those that were not measured."""
    return {name: value for name, value in values.items() if value is not None}


def _mean(rows: Iterable[Row], check: str) -> float | None:
    values = [row[check] for row in rows if row[check] is not None]
    return fmean(values) if values else None
