"""The section with parallel coordinates of the fields that most trials share, and of FMD."""

from collections.abc import Sequence
from typing import Any

from analysis.page.context import ReportContext, plain
from analysis.page.coordinates import LANE, Coordinate, coordinate
from analysis.page.elements import Figure
from analysis.page.plots import Trace, axis, figure, joined
from analysis.run.tables import fields
from analysis.statistics.comparable_trials import comparable_trials
from analysis.statistics.ranking import Row
from analysis.text.configuration import UNNAMED

ENOUGH = 5  # trials below which a plot of all of them shows less than the ranking does
MOST_AXES = 8  # beside FMD; what a page's width shows legibly


def choices(context: ReportContext) -> dict[str, object]:
    """Return parallel coordinates of the varied fields and FMD, by budget, and the fields without an axis.

    The budgets are in descending order; the one that the importances are about is shown first.
    """
    figures: list[Figure] = []
    without_axis: list[str] = []
    first, most = 0, 0
    searched = comparable_trials(context.run)
    for images, reports in context.budgets.items():
        if len(reports) < ENOUGH:
            continue
        rows = _compared(context, images)
        names, others = _fields(context, rows)
        if names:
            first = len(figures) if searched and searched.images_seen == images else first
            figures.append(_figure(context, rows, names, f"{images:,} images, {len(rows)} trials"))
            without_axis += [name for name in others if name not in without_axis]
            most = max(most, len(names) + 1)
    return {"figures": figures, "first": first, "axes": most, "without_axis": without_axis, "enough": ENOUGH}


def _compared(context: ReportContext, images: int) -> list[Row]:
    """Return the reports at a budget with their trials' configurations, the best last so that its line is on top."""
    rows = [context.rows[row["trial"]] | row for row in context.budgets[images]]
    return sorted(rows, key=lambda row: (-row["diverged"], -row["fmd"]))


def _fields(context: ReportContext, rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    """Return the fields with an axis, and those that vary but have none.

    An axis takes a field that more than half of the trials have; kinds come before other fields. Baselines do not
    count, as they differ from a search's trials in nearly every field.
    """
    searched = [row for row in rows if not row["baseline"]]
    rows = searched if len(searched) >= ENOUGH else rows
    varied = {}
    for name in fields(context.trials):
        values = [row[name] for row in rows if row[name] is not None]
        if len(set(values)) > 1:
            varied[name] = len(values)
    common = [name for name, count in varied.items() if 2 * count > len(rows)]
    chosen = sorted(common, key=lambda name: (name.rsplit("/", 1)[-1] not in UNNAMED, -varied[name]))[:MOST_AXES]
    with_axis = [name for name in common if name in chosen]
    return with_axis, [name for name in varied if name not in with_axis]


def _figure(context: ReportContext, rows: list[Row], names: Sequence[str], label: str) -> Figure:
    coordinates = [coordinate(name, [row[name] for row in rows]) for name in names]
    coordinates.append(coordinate("FMD", [row["fmd"] for row in rows], logarithmic=True))
    lacking = any(LANE in shown.places for shown in coordinates)
    lines = [
        (row["trial"] in context.best, _line(context, row, [shown.places[index] for shown in coordinates]))
        for index, row in enumerate(rows)
    ]
    return figure(
        [*joined([line for best, line in lines if not best]), *(line for best, line in lines if best)],
        axis("", range=[-0.45, len(coordinates) - 0.4], visible=False, fixedrange=True),
        axis("", range=[(LANE if lacking else 0) - 0.06, 1.16], visible=False, fixedrange=True),
        label,
        shapes=[_upright(x) for x in range(len(coordinates))],
        annotations=[text for x, shown in enumerate(coordinates) for text in _texts(x, shown)],
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        meta={"lines": True},
    )


def _line(context: ReportContext, row: Row, places: list[float]) -> Trace:
    best = row["trial"] in context.best
    colour = context.colour(row["trial"])
    return {
        "x": list(range(len(places))),
        "y": places,
        "mode": "lines+markers",
        "line": {"color": colour, "width": 2.2 if best else 1.1},
        "marker": {"color": colour, "size": 6 if best else 4},
        "hovertext": [context.about(row)] * len(places),
    }


def _upright(x: int) -> dict[str, Any]:
    line = {"color": "var(--axis)", "width": 1}
    return {"type": "line", "yref": "y", "y0": 0, "y1": 1, "x0": x, "x1": x, "line": line, "layer": "below"}


def _texts(x: int, shown: Coordinate) -> list[dict[str, Any]]:
    """Return the annotations of an axis: its title above it and a text at each mark."""
    title = "<br>".join(plain(part) for part in shown.title.split("/")[-2:])
    head = {"x": x, "y": 1.06, "yanchor": "bottom", "text": f"<b>{title}</b>", "font": {"size": 12}}
    marks = [
        {"x": x, "y": y, "text": plain(text), "xanchor": "left", "xshift": 6, "font": {"size": 11}}
        for y, text in shown.marks
    ]
    return [{**head, "showarrow": False}, *({**mark, "showarrow": False, "bgcolor": "var(--veil)"} for mark in marks)]
