"""Learning curves: FMD against images seen, the rungs marked."""

from __future__ import annotations

from typing import Any

from analysis.page.markup import Markup, note, paragraph, section
from analysis.page.material import Material, Row
from analysis.page.plots import axis, figure, logarithmic, plot, rule


def curves(material: Material) -> Markup:
    """Return a plot of every trial's reports, the best few in colour."""
    if not material.reports:
        return section("curves", "Learning curves", paragraph("No trial has reported yet."))
    seen = sorted({row["images_seen"] for row in material.reports})
    if len(seen) == 1:
        text = f"Every trial reported once, at {seen[0]:,} images seen: there is no curve to draw."
        return section("curves", "Learning curves", paragraph(text))
    shapes, labels = _rules(material)
    marks = material.search.get("rungs") or seen
    x = axis("images seen", type="log", tickvals=marks, ticktext=[f"{images:,}" for images in marks])
    shown = figure(
        _traces(material),
        x,
        logarithmic("FMD", _values(material)),
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


def _rules(material: Material) -> tuple[list[Any], list[Any]]:
    wanted = (("floor", "real images"), ("blank", "a blank set"))
    pairs = [rule(material.card[name], text) for name, text in wanted if material.card.get(name)]
    return [shape for shape, _ in pairs], [label for _, label in pairs]


def _values(material: Material) -> list[float]:
    return [*(row["fmd"] for row in material.reports), *(material.card.get(name) or 1.0 for name in ("floor", "blank"))]


def _traces(material: Material) -> list[Row]:
    reports: dict[str, list[Row]] = {name: [] for name in material.rows}
    for row in material.reports:
        reports[row["trial"]].append(row)
    behind = [name for name in reports if name not in material.best]
    return [_trace(material, name, reports[name]) for name in [*behind, *reversed(material.best)] if reports[name]]


def _trace(material: Material, name: str, rows: list[Row]) -> Row:
    best = name in material.best
    colour = material.colour(name)
    symbols = ["x" if row["diverged"] else "circle" for row in rows]
    return {
        "x": [row["images_seen"] for row in rows],
        "y": [row["fmd"] for row in rows],
        "mode": "lines+markers",
        "line": {"color": colour, "width": 2.2 if best else 1.1},
        "marker": {"color": colour, "size": 7 if best else 5, "symbol": symbols},
        "opacity": 1 if best else 0.55,
        "hovertext": [material.about(row) for row in rows],
    }
