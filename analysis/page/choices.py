"""What the search varied beside what came out: parallel coordinates of the fields that most trials share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from analysis.page.context import ENOUGH, ReportContext, plain
from analysis.page.markup import Markup, code, note, paragraph, section
from analysis.page.plots import Figure, axis, figure, plot
from analysis.run.tables import fields
from analysis.statistics.comparable_trials import comparable_trials
from analysis.statistics.ranking import Row
from analysis.text.configuration import UNNAMED

TITLE = "Choices side by side"
READING = (
    "One line a trial, at the right its FMD, the lower the better. Words are in the order of the FMD they come with, "
    "the best at the bottom. A line that passes under an axis lacks that field. Point at a mark to single out its line."
)
MOST_AXES = 8  # beside FMD; what a page's width shows legibly
FEW = 6  # different whole numbers up to which an axis has a place for each
PER_AXIS = 96  # pixels
LANE = -0.14  # where, below an axis, the lines of trials pass that lack the field
WIDE = 20.0  # ratio of the largest to the smallest number from which an axis is logarithmic


@dataclass(frozen=True)
class Coordinate:
    """One upright axis: where on it, 0..1, each trial passes, `LANE` for none, and its marks with their texts."""

    title: str
    places: list[float]
    marks: list[tuple[float, str]]


def choices(context: ReportContext) -> Markup:
    """Return parallel coordinates of the varied fields and FMD, by budget."""
    figures, left_out, most = [], dict[str, None](), 0
    for images in _budgets(context):
        rows = _compared(context, images)
        names, others = _fields(context, rows)
        if names:
            figures.append(_figure(context, rows, names, f"{images:,} images, {len(rows)} trials"))
            left_out |= dict.fromkeys(others)
            most = max(most, len(names) + 1)
    if not figures:
        few = f"Fewer than {ENOUGH} trials reported at one number of images seen, or they share no field that varies."
        return section("choices", TITLE, paragraph(few))
    drawn = plot("choices-plot", "Parallel coordinates of the fields and FMD", figures, 460, width=PER_AXIS * most)
    return section("choices", TITLE, drawn, note(READING), *_left_out(list(left_out)))


def _left_out(names: Sequence[str]) -> list[Markup]:
    pieces = [piece for name in names for piece in (", ", code(name))][1:]
    return [note("Without an axis, for want of trials that have them, or of room: ", *pieces, ".")] if names else []


def _budgets(context: ReportContext) -> list[int]:
    """Return the budgets with enough trials, first the one that the importances are about."""
    searched = comparable_trials(context.run)
    first = [searched.images_seen] if searched and len(searched.trials) >= ENOUGH else []
    return list(dict.fromkeys([*first, *context.compared]))


def _compared(context: ReportContext, images: int) -> list[Row]:
    """Return the reports at a budget with their trials' configurations, the best last so that its line is on top."""
    names = fields(context.trials)
    rows = [row | {name: context.rows[row["trial"]][name] for name in names} for row in context.budgets[images]]
    return sorted(rows, key=lambda row: (-row["diverged"], -row["fmd"]))


def _fields(context: ReportContext, rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    """Return the fields worth an axis, and those that vary but are not.

    A baseline differs from a search in nearly every field, so it does not say which are worth one.
    """
    searched = [row for row in rows if not context.rows[row["trial"]]["baseline"]]
    rows = searched if len(searched) >= ENOUGH else rows
    varied = {}
    for name in fields(context.trials):
        values = [row[name] for row in rows if row[name] is not None]
        if len(set(values)) > 1:
            varied[name] = len(values)
    common = [name for name, count in varied.items() if 2 * count > len(rows)]
    chosen = sorted(common, key=lambda name: (name.rsplit("/", 1)[-1] not in UNNAMED, -varied[name]))[:MOST_AXES]
    kept = [name for name in common if name in chosen]
    return kept, [name for name in varied if name not in kept]


def _figure(context: ReportContext, rows: list[Row], names: Sequence[str], label: str) -> Figure:
    coordinates = [coordinate(name, [row[name] for row in rows]) for name in names]
    coordinates.append(coordinate("FMD", [row["fmd"] for row in rows], logarithmic=True))
    lines = [_line(context, row, [c.places[index] for c in coordinates]) for index, row in enumerate(rows)]
    lacking = any(LANE in c.places for c in coordinates)
    upright = {"type": "line", "yref": "y", "y0": 0, "y1": 1, "line": {"color": "var(--axis)", "width": 1}}
    shapes = [upright | {"x0": x, "x1": x, "layer": "below"} for x in range(len(coordinates))]
    return figure(
        lines,
        axis("", range=[-0.45, len(coordinates) - 0.4], visible=False, fixedrange=True),
        axis("", range=[(LANE if lacking else 0) - 0.06, 1.16], visible=False, fixedrange=True),
        label,
        shapes=shapes,
        annotations=_texts(coordinates),
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        meta={"lines": True},
    )


def _line(context: ReportContext, row: Row, places: list[float]) -> Row:
    best = row["trial"] in context.best
    colour = context.colour(row["trial"])
    return {
        "x": list(range(len(places))),
        "y": places,
        "mode": "lines+markers",
        "line": {"color": colour, "width": 2.2 if best else 1.1},
        "marker": {"color": colour, "size": 6 if best else 4},
        "opacity": 1 if best else 0.5,
        "hovertext": [context.about(row)] * len(places),
    }


def _texts(coordinates: Sequence[Coordinate]) -> list[dict[str, Any]]:
    texts = []
    for x, shown in enumerate(coordinates):
        head = {"x": x, "y": 1.06, "yanchor": "bottom", "text": f"<b>{_title(shown.title)}</b>", "font": {"size": 12}}
        marks = [{"x": x, "y": y, "text": plain(t), "xanchor": "left", "xshift": 6} for y, t in shown.marks]
        ground = {"bgcolor": "var(--veil)", "font": {"size": 11}}
        texts += [{"showarrow": False, **text} for text in (head, *(ground | mark for mark in marks))]
    return texts


def _title(name: str) -> str:
    parts = name.split("/")
    return "<br>".join(plain(part) for part in (parts[-2:] if len(parts) > 1 else parts))


def coordinate(name: str, values: Sequence[Any], logarithmic: bool = False) -> Coordinate:
    """Return the axis of a field for its values, one a trial, worst trial first; None where a trial lacks the field."""
    given = [value for value in values if value is not None]
    lacking = [(LANE, "none")] if len(given) < len(values) else []
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in given) and not (
        len(set(given)) <= FEW and all(isinstance(v, int) for v in given)
    ):
        scale = _scale(given, min(given) > 0 and (logarithmic or max(given) / min(given) > WIDE))
        places = [LANE if value is None else scale(value) for value in values]
        ends = sorted({min(given), max(given)})
        return Coordinate(name, places, [*((scale(end), f"{end:.3g}") for end in ends), *lacking])
    options = _options(values)
    steps = {option: (place + 0.5) / len(options) for place, option in enumerate(options)}
    return Coordinate(name, _fanned(values, steps), [*((y, str(v)) for v, y in steps.items()), *lacking])


def _options(values: Sequence[Any]) -> list[Any]:
    """Return numbers in their order, and words by the mean place of their trials, that of the best at the bottom."""
    places: dict[Any, list[int]] = {}
    for place, value in enumerate(reversed(values)):
        if value is not None:
            places.setdefault(value, []).append(place)
    if any(isinstance(option, str) for option in places):
        return sorted(places, key=lambda option: (sum(places[option]) / len(places[option]), option))
    return sorted(places)


def _scale(values: Sequence[float], logarithmic: bool) -> Any:
    def way(value: float) -> float:
        return math.log(value) if logarithmic else float(value)

    low, high = way(min(values)), way(max(values))
    return lambda value: 0.5 if high == low else (way(value) - low) / (high - low)


def _fanned(values: Sequence[Any], steps: dict[Any, float]) -> list[float]:
    """Return a place for each value near its option's, such that the lines of one option can be told apart."""
    counts = {option: sum(value == option for value in values) for option in steps}
    passed = dict.fromkeys(steps, 0)
    places = []
    for value in values:
        if value is None:
            places.append(LANE)
            continue
        passed[value] += 1
        share = passed[value] / (counts[value] + 1) - 0.5
        places.append(steps[value] - 0.5 * share / len(steps))
    return places
