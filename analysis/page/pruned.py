"""The section about the trials that ended early: their place at the rung where they ended, and what failed."""

import math
from collections.abc import Sequence

from analysis.page.context import ReportContext
from analysis.page.elements import Cell
from analysis.statistics.ranking import Row
from analysis.text.words import fmd_text
from trainables.report import Report


def pruned(context: ReportContext) -> dict[str, object]:
    """Return the trials that were pruned, with their place at the rung, then those that failed."""
    ended = [row for row in context.rows.values() if row["state"] == "PRUNED" and row["images_seen"] is not None]
    reports = _arrivals(context)
    return {
        "trials": len(context.rows),
        "scheduler": context.search.get("scheduler"),
        "eta": context.search.get("reduction_factor"),
        "rows": [_cells(context, row, reports[row["images_seen"]]) for row in ended],
        "failures": {trial: end.error for trial, end in context.run.ends().items() if end.state == "FAILED"},
    }


def _arrivals(context: ReportContext) -> dict[int, list[Report]]:
    """Return the reports at each budget in the order in which they came."""
    arrivals: dict[int, list[Report]] = {}
    for event in context.run.events():
        if isinstance(event, Report):
            arrivals.setdefault(event.images_seen, []).append(event)
    return arrivals


def _cells(context: ReportContext, row: Row, reports: Sequence[Report]) -> list[Cell]:
    at = [report.trial for report in reports].index(row["trial"])
    fmds = [math.inf if report.diverged else report.fmd for report in reports]
    then, end = (1 + sum(fmd < fmds[at] for fmd in others) for others in (fmds[:at], fmds))
    last = [context.rows[report.trial]["images_seen"] or 0 for report in reports]
    continued = len([images for images in last if images > row["images_seen"]])
    return [
        context.trial_cell(row["trial"]),
        Cell(f"{row['images_seen']:,}", row["images_seen"]),
        Cell("diverged" if row["diverged"] else fmd_text(row["fmd"]), row["fmd"]),
        Cell(f"{then} of {at + 1}", then),
        Cell(f"{end} of {len(reports)}", end),
        Cell(f"{continued} of {len(reports)}", continued),
        Cell(_why(context, row, then, at + 1)),
    ]


def _why(context: ReportContext, row: Row, place: int, reported: int) -> str:
    if row["diverged"]:
        return "diverged"
    scheduler, eta = context.search.get("scheduler"), context.search.get("reduction_factor")
    sound = scheduler == "asha-stopping" and eta and place <= max(1, reported // eta)
    if not sound and scheduler != "none":
        return "behind others"
    return "no time left, or its loss rose" if row.get("training/patience") else "no time left"
