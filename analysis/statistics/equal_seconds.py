"""Rank the trials of a run at equal seconds of training.

The levels of seconds are those of `analysis.statistics.readings.levels_of`. A trial is ranked at the last level at
which its FMD is known, among the others there, as `analysis.statistics.ranking` ranks it at its last number of images.
"""

from collections.abc import Sequence

import pyarrow as pa

from analysis.statistics.confirmed import normalise
from analysis.statistics.ranking import MetricCard, Row, ranks_and_ties, varied_fields
from analysis.statistics.readings import Curve, curves_of, levels_of

PATIENCE = "training/patience"
COLUMNS = (
    *("seconds", "rank", "tied", "trial", "baseline", "state", "diverged", "reading"),
    *("fmd", "fmd_se", "fmd_normalised", "images_seen", "train_seconds", "parameters", "nfe", "floor"),
)
READ = ("seconds", "reading", "images_seen", "fmd", "fmd_se", "fmd_normalised")


def rank_at_seconds(trials: pa.Table, reports: pa.Table, card: MetricCard) -> pa.Table:
    """Order and rank the trials of a table of `Run.trials` at equal seconds of training.

    `reports`, a table of `Run.curves`, may have those of other trials, too.

    Returns:
        One row a trial: seconds (the level; null for a trial whose FMD is known at none), rank (from 1 at each level;
        null for a trial that diverged or has no level), tied (not distinguishable from the row above), trial,
        baseline, state, diverged, reading (`Reading.kind`), fmd, fmd_se, fmd_normalised and images_seen there (null for
        a trial without a rank), train_seconds (of its last report), parameters, nfe, floor, and the configuration's
        fields that vary.
    """
    rows = {row["trial"]: row for row in trials.to_pylist()}
    patient = {trial for trial, row in rows.items() if row.get(PATIENCE)}
    curves = curves_of((report for report in reports.to_pylist() if report["trial"] in rows), patient)
    levels = levels_of(curve for trial, curve in curves.items() if not rows[trial]["diverged"])
    floor = {"floor": card.get("floor")}
    read = (row | floor | _read(row, curves.get(trial), levels, card) for trial, row in rows.items())
    ordered = sorted(read, key=_place)
    ranks, tied = ranks_and_ties(ordered, "seconds")
    ranked = [row | {"rank": rank, "tied": tie} for row, rank, tie in zip(ordered, ranks, tied, strict=True)]
    return pa.Table.from_pylist(ranked, _schema(trials))


def _schema(trials: pa.Table) -> pa.Schema:
    """Return the columns of a ranking; those that it shares with the table of trials are as there."""
    own = {name: pa.float64() for name in ("seconds", "floor")}
    own |= {"rank": pa.int64(), "tied": pa.bool_(), "reading": pa.string()}
    names = (*COLUMNS, *varied_fields(trials))
    return pa.schema([pa.field(name, own[name]) if name in own else trials.schema.field(name) for name in names])


def _read(row: Row, curve: Curve | None, levels: Sequence[float], card: MetricCard) -> Row:
    """Return what the columns `READ` have of a trial; of one that diverged only the last level that it passed."""
    nothing = dict.fromkeys(READ)
    if curve is None:
        return nothing
    if row["diverged"]:
        passed = [level for level in levels if level <= curve.reports[-1].seconds]
        return nothing | {"seconds": max(passed, default=None)}
    found = curve.highest(levels)
    if found is None:
        return nothing
    level, reading = found
    return {
        "seconds": level,
        "reading": reading.kind,
        "images_seen": round(reading.images_seen),
        "fmd": reading.fmd,
        "fmd_se": reading.fmd_se,
        "fmd_normalised": normalise(reading.fmd, card) if card else None,
    }


def _place(row: Row) -> tuple[float, bool, float, float]:
    """Return what rows are sorted by: the last level first, a diverged trial last in it, then FMD and number."""
    unknown = row["fmd"] is None
    return -(row["seconds"] or 0.0), unknown, 0.0 if unknown else row["fmd"], row["number"] or 0
