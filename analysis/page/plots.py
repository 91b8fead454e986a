"""Plotly figures as plain dicts; their colours are CSS variables that page.js replaces by values."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Any

from analysis.page.context import plain
from analysis.page.elements import Figure
from analysis.text.words import number

Axis = dict[str, Any]
Trace = dict[str, Any]
MOST_LINES = 200  # one trace each; Plotly takes seconds to draw a thousand traces
DIGITS = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 6, 8))  # of an axis's marks, for wide axes first


@dataclass(frozen=True)
class Interval:
    """A value with its interval, its hover text `about`, and the single values that it is the mean of, if shown."""

    label: str
    value: float
    low: float
    high: float
    about: str
    colour: str = "var(--mark)"
    single: Sequence[float] = ()


def axis(title: str, **more: Any) -> Axis:
    """Return an axis without a box round the plot, with room for its labels."""
    return {
        "title": {"text": title, "standoff": 12},
        "gridcolor": "var(--grid)",
        "linecolor": "var(--axis)",
        "tickcolor": "var(--axis)",
        "zeroline": False,
        "automargin": True,
        **more,
    }


def logarithmic(title: str, values: Sequence[float]) -> Axis:
    """Return a logarithmic axis over values with a little room, marked at round numbers; a linear one if some are 0."""
    low, high = min(values), max(values)
    if low <= 0:
        return axis(title)
    room = 0.06 * log10(high / low) or 0.05
    start, end = log10(low) - room, log10(high) + room
    for digits in DIGITS:
        powers = range(floor(start), ceil(end) + 1)
        marks = [digit * 10.0**power for power in powers for digit in digits]
        marks = [mark for mark in marks if start <= log10(mark) <= end]
        if len(marks) >= 4:
            texts = [f"{mark:,.12g}" for mark in marks]
            return axis(title, type="log", range=[start, end], tickvals=marks, ticktext=texts)
    return axis(title, type="log", range=[start, end])


def figure(traces: Sequence[Trace], x: Axis, y: Axis, label: str = "", **more: Any) -> Figure:
    """Return a figure: traces, two axes, and the name by which it is chosen where a plot has several."""
    layout = {
        "font": {"family": "system-ui, -apple-system, 'Segoe UI', sans-serif", "size": 13, "color": "var(--ink)"},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 56, "r": 16, "t": 16, "b": 48},
        "hovermode": "closest",
        "hoverlabel": {
            "align": "left",
            "bgcolor": "var(--paper)",
            "bordercolor": "var(--axis)",
            "font": {"color": "var(--ink)"},
        },
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": "var(--axis)", "activecolor": "var(--ink)"},
        "showlegend": False,
        "xaxis": x,
        "yaxis": y,
        **more,
    }
    traces = [{"type": "scatter", "hoverinfo": "text", "uid": f"t{index}", **t} for index, t in enumerate(traces)]
    return {"label": label, "data": traces, "layout": layout}


def staircase(x: Sequence[float], y: Sequence[float]) -> Trace:
    """Return a line by steps, which says nothing of its own."""
    line = {"shape": "hv", "color": "var(--muted)", "width": 1.5}
    return {"x": x, "y": y, "mode": "lines", "hoverinfo": "skip", "line": line}


def dots(
    x: Sequence[float], y: Sequence[float], colours: Sequence[str], sizes: int | Sequence[int], texts: Sequence[str]
) -> Trace:
    """Return marks with their colours, their sizes or the size of all, and their hover texts."""
    return {"x": x, "y": y, "mode": "markers", "marker": {"color": colours, "size": sizes}, "hovertext": texts}


def joined(lines: Sequence[Trace]) -> list[Trace]:
    """Return lines of one style as they are, or as one trace with gaps where there are more than `MOST_LINES`."""
    if len(lines) <= MOST_LINES:
        return list(lines)
    together = {key: _with_gaps([line[key] for line in lines]) for key in ("x", "y", "hovertext")}
    markers = [line["marker"] for line in lines]
    listed = [key for key, value in markers[0].items() if isinstance(value, list)]
    return [{**lines[0], **together, "marker": markers[0] | {k: _with_gaps([m[k] for m in markers]) for k in listed}}]


def _with_gaps(parts: Sequence[Sequence[Any]]) -> list[Any]:
    """Return lists one after the other, each followed by a gap."""
    return [value for part in parts for value in (*part, None)]


def rule(value: float, text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a dotted line across a plot with a logarithmic y axis, at a value of y, and its label."""
    line = {"color": "var(--muted)", "width": 1, "dash": "dot"}
    ends = {"xref": "paper", "x0": 0, "x1": 1, "yref": "y", "y0": value, "y1": value}
    place = {"xref": "paper", "x": 1, "xanchor": "right", "yref": "y", "y": log10(value), "yanchor": "bottom"}
    font = {"size": 11, "color": "var(--muted)"}
    shape = {"type": "line", **ends, "line": line, "layer": "below"}
    return shape, {**place, "text": text, "showarrow": False, "font": font}


def band(low: float, high: float) -> dict[str, Any]:
    """Return a grey band across a plot, between two values of y."""
    place = {"xref": "paper", "x0": 0, "x1": 1, "yref": "y", "y0": low, "y1": high}
    return {
        "type": "rect",
        **place,
        "fillcolor": "var(--axis)",
        "opacity": 0.25,
        "line": {"width": 1, "color": "var(--ink)"},
        "layer": "below",
    }


def intervals(rows: Sequence[Interval | str], x: Axis) -> Figure:
    """Return a figure of values with their intervals, one above the other, the first on top; a text is a heading."""
    traces: list[Trace] = []
    for place, row in enumerate(rows):
        if isinstance(row, Interval):
            traces += _interval(row, place)
    texts = [f"<b>{plain(row)}</b>" if isinstance(row, str) else plain(row.label) for row in rows]
    ticks = {"tickvals": list(range(len(rows))), "ticktext": texts, "ticks": "", "ticklabelstandoff": 6}
    return figure(traces, x, axis("", range=[len(rows) - 0.4, -0.6], showgrid=False, fixedrange=True, **ticks))


def _interval(row: Interval, place: int) -> list[Trace]:
    error = {"type": "data", "symmetric": False, "array": [row.high - row.value], "arrayminus": [row.value - row.low]}
    has_interval = row.high > row.low
    mean = {
        "x": [row.value],
        "y": [place],
        "mode": "markers",
        "marker": {"size": 9, "color": row.colour},
        "error_x": {**error, "visible": has_interval, "thickness": 1.6, "width": 4, "color": row.colour},
        "hovertext": [row.about],
    }
    single = {
        "x": list(row.single),
        "y": [place + 0.25] * len(row.single),
        "mode": "markers",
        "marker": {"size": 6, "color": row.colour, "symbol": "circle-open"},
        "hovertext": [f"{plain(row.label)}<br>one training: {number(value)}" for value in row.single],
    }
    return [mean, single] if row.single else [mean]
