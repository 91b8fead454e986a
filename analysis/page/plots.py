"""What the plots share: Plotly figures as plain dicts, whose colours are CSS variables that page.js looks up."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Any

from analysis.page.context import plain
from analysis.page.markup import Markup, data, join, tag

Trace = dict[str, Any]
Figure = dict[str, Any]
DIGITS = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 6, 8))  # of an axis's marks, from wide ones to narrow ones


@dataclass(frozen=True)
class Interval:
    """A value with its interval, and the single values that it is the mean of, if they are to be shown."""

    label: str
    value: float
    low: float
    high: float
    about: str
    colour: str = "var(--mark)"
    single: Sequence[float] = ()


def axis(title: str, **more: Any) -> Figure:
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


def logarithmic(title: str, values: Iterable[float], **more: Any) -> Figure:
    """Return a logarithmic axis over values with a little room, marked at round numbers; a linear one if some are 0."""
    low, high = min(values := list(values)), max(values)
    if low <= 0:
        return axis(title, **more)
    room = 0.06 * log10(high / low) or 0.05
    start, end = log10(low) - room, log10(high) + room
    for digits in DIGITS:
        powers = range(floor(start), ceil(end) + 1)
        marks = [digit * 10.0**power for power in powers for digit in digits]
        marks = [mark for mark in marks if start <= log10(mark) <= end]
        if len(marks) >= 4:
            more = {"tickvals": marks, "ticktext": [f"{mark:,.12g}" for mark in marks], **more}
            break
    return axis(title, type="log", range=[start, end], **more)


def figure(traces: Sequence[Trace], x: Figure, y: Figure, label: str = "", **more: Any) -> Figure:
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


def plot(name: str, title: str, figures: Sequence[Figure], height: int = 420, width: int | None = None) -> Markup:
    """Return the place of a plot and what is drawn there, the first figure first.

    Args:
        name: the element's id and the name of its download.
        title: what it shows, for those who do not see it.
        figures: as `figure` makes them; with more than one, their labels become a choice above the plot.
        height: in CSS pixels.
        width: likewise, the least; where there is less the plot scrolls in its box.
    """
    style = f"height:{height}px" + (f";min-width:{width}px" if width else "")
    place = tag("div", id=name, class_="plot", style=style, role="img", aria_label=title)
    box = tag("div", place, class_="plotbox")
    return join(box, tag("script", Markup(data(list(figures))), type="application/json", id=f"{name}-figures"))


def rule(value: float, text: str, at: str = "y") -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a dotted line across a plot with a logarithmic y axis, at a value of y, and its label."""
    shape = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "yref": at, "y0": value, "y1": value}
    shape |= {"line": {"color": "var(--axis)", "width": 1, "dash": "dot"}, "layer": "below"}
    label = {"xref": "paper", "x": 1, "xanchor": "right", "yref": at, "y": log10(value), "yanchor": "bottom"}
    label |= {"text": text, "showarrow": False, "font": {"size": 11, "color": "var(--muted)"}}
    return shape, label


def intervals(rows: Sequence[Interval | str], x: Figure) -> Figure:
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
    mean = {
        "x": [row.value],
        "y": [place],
        "mode": "markers",
        "marker": {"size": 9, "color": row.colour},
        "error_x": {**error, "thickness": 1.6, "width": 4, "color": row.colour},
        "hovertext": [row.about],
    }
    single = {
        "x": list(row.single),
        "y": [place + 0.25] * len(row.single),
        "mode": "markers",
        "marker": {"size": 5, "color": row.colour, "opacity": 0.5},
        "hovertext": [f"{plain(row.label)}<br>one training: {value:.4g}" for value in row.single],
    }
    return [mean, single] if row.single else [mean]
