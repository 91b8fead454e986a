"""Learning curves: FMD against images seen, the rungs marked."""

from __future__ import annotations

from typing import Any

from analysis.page.context import ReportContext
from analysis.page.markup import Markup, note, paragraph, section
from analysis.page.plots import axis, figure, logarithmic, plot, rule
from analysis.statistics.ranking import Row


def curves(context: ReportContext) -> Markup:
    """Return a plot of every trial's reports, the best few in colour."""
    if not context.reports:
        return section("curves", "Learning curves", paragraph("No trial has reported yet."))
    seen = sorted({row["images_seen"] for row in context.reports})
    if len(seen) == 1:
        text = f"Every trial reported once, at {seen[0]:,} images seen: there is no curve to draw."
        return section("curves", "Learning curves", paragraph(text))
    shapes, labels = _rules(context)
    marks = context.search.get("rungs") or seen
    x = axis("images seen", type="log", tickvals=marks, ticktext=[f"{images:,}" for images in marks])
    shown = figure(
        _traces(context),
        x,
        logarithmic("FMD", _values(context)),
        shapes=shapes,
        annotations=labels,
        meta={"lines": True},
    )
    text = (
        "Both axes are logarithmic; the marks on the lower one are the rungs, at which trials are compared and "
        "stopped. Young models begin near or above a blank set. The best few trials are coloured, here as everywhere "
        "on this page; a cross is a trial that diverged."
    )
    return section("curves", "Learning curves", plot("curves-plot", "FMD against images seen", [shown]), note(text))


def _rules(context: ReportContext) -> tuple[list[Any], list[Any]]:
    wanted = ((context.card.get("floor"), "real images"), (context.card.get("blank"), "a blank set"))
    pairs = [rule(value, text) for value, text in wanted if value]
    return [shape for shape, _ in pairs], [label for _, label in pairs]


def _values(context: ReportContext) -> list[float]:
    marked = [context.card.get("floor") or 1.0, context.card.get("blank") or 1.0]
    return [*(row["fmd"] for row in context.reports), *marked]


def _traces(context: ReportContext) -> list[Row]:
    reports: dict[str, list[Row]] = {name: [] for name in context.rows}
    for row in context.reports:
        reports[row["trial"]].append(row)
    behind = [name for name in reports if name not in context.best]
    return [_trace(context, name, reports[name]) for name in [*behind, *reversed(context.best)] if reports[name]]


def _trace(context: ReportContext, name: str, rows: list[Row]) -> Row:
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
