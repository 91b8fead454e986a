"""Rank the trials of a run.

A trial is ranked among those whose last report is at the same number of images seen, never across: first come the
trials of the full budget, then those that reached the rung before it, and so on. Each rung has its own rank 1. A
diverged trial comes last in its rung and has no rank.
"""

import math
from collections.abc import Iterable
from itertools import groupby
from typing import Any, TypedDict

import pyarrow as pa
import pyarrow.compute

from analysis.run.run import Run
from analysis.run.tables import fields

Row = dict[str, Any]  # one row of a table, by column
COLUMNS = (
    *("images_seen", "rung", "rank", "tied", "trial", "baseline", "state", "diverged"),
    *("fmd", "fmd_se", "fmd_normalised", "fmd_corrected", "train_seconds", "parameters", "nfe", "floor"),
)


class MetricCard(TypedDict, total=False):
    """The metric of a run as search.json has it; empty before the run has one.

    `version` names classifier, features and number of images, `split` the real images; `floor` is the FMD of real
    against real images, `floor_sd` its standard deviation over draws of them, `blank` that of black images.
    """

    version: str
    layer: str
    n: int
    split: str
    floor: float
    floor_sd: float
    blank: float


def metric_card(run: Run) -> MetricCard:
    """Return the card of the run's metric; empty before the run has one."""
    return run.settings().get("metric", {})


def rank(trials: pa.Table, floor: float | None) -> pa.Table:
    """Order and rank the trials of a table of `Run.trials`.

    `floor`, the FMD of real against real images, is a column of the result, so that each row explains itself.

    Returns:
        One row a trial: images_seen, rung, rank (int64, from 1 in each rung; null for a trial that diverged or has not
        reported), tied (bool: not distinguishable from the row above), the other `COLUMNS`, and the configuration's
        fields that vary.
    """
    rungs_then_fmds = [("images_seen", "descending"), *((name, "ascending") for name in ("diverged", "fmd", "number"))]
    ordered = trials.sort_by(rungs_then_fmds)  # nulls last: a trial without a report comes after all others
    compared = ordered.select(["images_seen", "diverged", "fmd", "fmd_se"]).to_pylist()
    ranks, tied = ranks_and_ties(compared, "images_seen")
    own = {"rank": pa.array(ranks, pa.int64()), "tied": pa.array(tied, pa.bool_())}
    own["floor"] = pa.array([floor] * len(trials), pa.float64())
    names = (*COLUMNS, *varied_fields(trials))
    return pa.table({name: own[name] if name in own else ordered[name] for name in names})


def rank_run(run: Run) -> pa.Table:
    """Return the ranking of a run's trials; for the columns see `rank`."""
    return rank(run.trials(), metric_card(run).get("floor"))


def ranked_rows(run: Run) -> list[Row]:
    """Return the rows of a run's ranking that have a rank: those of trials that reported and did not diverge."""
    return [row for row in rank_run(run).to_pylist() if row["rank"] is not None]


def indistinguishable(a: Row, b: Row) -> bool:
    """Return whether two FMDs differ by less than twice the standard error of the difference of independent values."""
    return abs(a["fmd"] - b["fmd"]) < 2 * math.hypot(a["fmd_se"] or 0.0, b["fmd_se"] or 0.0)


def varied_fields(trials: pa.Table) -> list[str]:
    """Return the configuration's fields of which two trials have different values."""
    return [name for name in fields(trials) if len(trials[name].drop_null().unique()) > 1]


def shared_values(trials: pa.Table) -> Row:
    """Return the configuration's fields, with their value, that are the same in all trials that the search drew.

    Baselines count only if there is nothing else: they differ from a search's trials in nearly every field.
    """
    drawn = trials.filter(pyarrow.compute.equal(trials["baseline"], ""))
    if not len(drawn):
        drawn = trials
    values = {name: drawn[name].drop_null().unique() for name in fields(trials)}
    return {name: value[0].as_py() for name, value in values.items() if len(value) == 1}


def ranks_and_ties(ordered: Iterable[Row], block: str) -> tuple[list[int | None], list[bool]]:
    """Return for each row its rank among those of one value of the column `block`, and whether it ties with the last.

    A row that diverged or has no FMD has no rank.
    """
    ranks: list[int | None] = []
    tied: list[bool] = []
    for _, rows in groupby(ordered, key=lambda row: row[block]):
        above = None
        for place, row in enumerate(rows, start=1):
            measured = row["fmd"] is not None and not row["diverged"]
            ranks.append(place if measured else None)
            tied.append(above is not None and measured and indistinguishable(above, row))
            above = row
    return ranks, tied
