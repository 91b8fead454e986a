"""The section with learning curves: FMD against images seen, the rungs marked."""

from analysis.page.context import ReportContext
from analysis.page.elements import Figure
from analysis.page.plots import Trace, axis, figure, logarithmic, rule
from analysis.statistics.ranking import Row


def curves(context: ReportContext) -> dict[str, object]:
    """Return a plot of every trial's reports, the best few in colour."""
    seen = sorted({row["images_seen"] for row in context.reports})
    return {"seen": seen, "figure": _figure(context, seen) if len(seen) > 1 else None}


def _figure(context: ReportContext, seen: list[int]) -> Figure:
    floor, blank = context.card.get("floor"), context.card.get("blank")
    rules = [rule(value, text) for value, text in ((floor, "real images"), (blank, "a blank set")) if value]
    fmds = [row["fmd"] for row in context.reports]
    marks = context.search.get("rungs") or seen
    return figure(
        _traces(context),
        axis("images seen", type="log", tickvals=marks, ticktext=[f"{images:,}" for images in marks]),
        logarithmic("FMD", [*fmds, floor or 1.0, blank or 1.0]),
        shapes=[shape for shape, _ in rules],
        annotations=[label for _, label in rules],
        meta={"lines": True},
    )


def _traces(context: ReportContext) -> list[Trace]:
    """Return a line for each trial that reported, those of the best on top."""
    reports: dict[str, list[Row]] = {name: [] for name in context.rows}
    for row in context.reports:
        reports[row["trial"]].append(row)
    behind = [name for name in reports if name not in context.best]
    return [_trace(context, name, reports[name]) for name in [*behind, *reversed(context.best)] if reports[name]]


def _trace(context: ReportContext, name: str, rows: list[Row]) -> Trace:
    best = name in context.best
    colour = context.colour(name)
    symbols = ["x" if row["diverged"] else "circle" for row in rows]
    return {
        "x": [row["images_seen"] for row in rows],
        "y": [row["fmd"] for row in rows],
        "mode": "lines+markers",
        "line": {"color": colour, "width": 2.2 if best else 1.1},
        "marker": {"color": colour, "size": 7 if best else 5, "symbol": symbols},
        "opacity": 1 if best else 0.55,
        "hovertext": [context.about(row) for row in rows],
    }
