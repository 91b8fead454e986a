"""The best FMD so far, at each number of images seen, over the time that the search took."""

from itertools import accumulate

from analysis.page.context import ReportContext
from analysis.page.elements import Figure
from analysis.page.plots import Trace, axis, figure, logarithmic
from analysis.statistics.ranking import Row


def best_so_far(context: ReportContext) -> list[Figure]:
    """Return for each budget, the largest first, every report and the lowest FMD until then; none of one report."""
    began = min((row["started"] for row in context.rows.values() if row["started"]), default=None)
    figures = []
    for images, reports in context.budgets.items():
        known = sorted((row for row in reports if not row["diverged"]), key=lambda row: row["time"])
        if began is not None and len(known) > 1:
            minutes = [(row["time"] - began).total_seconds() / 60 for row in known]
            figures.append(_figure(context, known, minutes, f"{images:,} images"))
    return figures


def _figure(context: ReportContext, reports: list[Row], minutes: list[float], label: str) -> Figure:
    fmds = [row["fmd"] for row in reports]
    best: Trace = {
        "x": minutes,
        "y": list(accumulate(fmds, min)),
        "mode": "lines",
        "hoverinfo": "skip",
        "line": {"shape": "hv", "color": "var(--muted)", "width": 1.5},
    }
    every: Trace = {
        "x": minutes,
        "y": fmds,
        "mode": "markers",
        "marker": {"color": [context.colour(row["trial"]) for row in reports], "size": 7},
        "hovertext": [context.about(row) for row in reports],
    }
    return figure([best, every], axis("minutes since the start"), logarithmic("FMD", fmds), label)
