"""The section with learning curves, over images seen and seconds of training, and the best FMD so far."""

from collections.abc import Iterable
from itertools import accumulate

from analysis.page.context import ReportContext, plain
from analysis.page.elements import Figure
from analysis.page.plots import Axis, Trace, axis, band, dots, figure, joined, logarithmic, rule, staircase
from analysis.statistics.ranking import Row
from analysis.text.words import fmd_text

# What the lower axis can be: the column of `Run.training`, and its title.
SCALES = {"images": ("images_seen", "images seen"), "seconds": ("train_seconds", "seconds of training")}


def curves(context: ReportContext) -> dict[str, object]:
    """Return plots of the curves of every trial, the best few in colour: FMD, and the losses of the best few."""
    seen = sorted({row["images_seen"] for row in context.reports})
    trials: dict[str, list[Row]] = {}
    for row in context.run.training().to_pylist():
        trials.setdefault(row["trial"], []).append(row)
    lossy = {name: trials[name] for name in context.best if len(_known(trials[name], "loss")) > 1}
    return {
        "seen": seen,
        "figures": [_fmds(context, trials, scale) for scale in SCALES] if len(seen) > 1 else None,
        "so_far": _best_so_far(context),
        "losses": [_losses(context, lossy, scale) for scale in SCALES] if lossy else None,
        "floor_sd": context.card.get("floor_sd"),
        "best": context.best,
        "others": len(trials) > len(context.best),
    }


def _known(points: Iterable[Row], column: str) -> list[Row]:
    return [point for point in points if point[column] is not None]


def _fmds(context: ReportContext, trials: dict[str, list[Row]], scale: str) -> Figure:
    floor, blank, spread = context.card.get("floor"), context.card.get("blank"), context.card.get("floor_sd")
    rules = [rule(value, text) for value, text in ((floor, "real images"), (blank, "black images")) if value]
    spreads = [band(floor - 2 * spread, floor + 2 * spread)] if floor and spread else []
    reports = {(row["trial"], row["images_seen"]): row for row in context.reports}
    behind = [name for name in trials if name not in context.best]
    scored = {name: _known(trials[name], "fmd") for name in [*behind, *reversed(context.best)]}
    values = [point["fmd"] for points in scored.values() for point in points]
    lines = {name: _fmd(context, name, points, scale, reports) for name, points in scored.items() if points}
    return figure(
        [
            *joined([line for name, line in lines.items() if name not in context.best]),
            *(line for name, line in lines.items() if name in context.best),
        ],
        _across(context, [point for points in scored.values() for point in points], scale),
        logarithmic("FMD", [*values, floor or 1.0, blank or 1.0]),
        label=f"over {scale}",
        shapes=[*(shape for shape, _ in rules), *spreads],
        annotations=[label for _, label in rules],
        meta={"lines": True},
    )


def _fmd(
    context: ReportContext, name: str, points: list[Row], scale: str, reports: dict[tuple[str, int], Row]
) -> Trace:
    best, size = name in context.best, 7 if name in context.best else 5
    colour = context.colour(name)
    at_rungs = [reports.get((name, point["images_seen"])) for point in points]
    return {
        "x": [point[SCALES[scale][0]] for point in points],
        "y": [point["fmd"] for point in points],
        "mode": "lines+markers",
        "line": {"color": colour, "width": 2.2 if best else 1.1},
        "marker": {
            "color": colour,
            "size": [size if report else 3 for report in at_rungs],
            "symbol": ["x" if report and report["diverged"] else "circle" for report in at_rungs],
        },
        "hovertext": [
            context.about(report) if report else _between(name, f"FMD {fmd_text(point['fmd'])}", point)
            for report, point in zip(at_rungs, points, strict=True)
        ],
    }


def _losses(context: ReportContext, trials: dict[str, list[Row]], scale: str) -> Figure:
    traces, shown = list[Trace](), list[Row]()
    for name, points in reversed(trials.items()):
        for column, words, style in (("loss", "training loss", "solid"), ("validation_loss", "held-out loss", "dot")):
            known = _known(points, column)
            shown += known
            traces.append(
                {
                    "x": [point[SCALES[scale][0]] for point in known],
                    "y": [point[column] for point in known],
                    "mode": "lines" if column == "loss" else "lines+markers",
                    "line": {"color": context.colour(name), "width": 1.6, "dash": style},
                    "marker": {"color": context.colour(name), "size": 6},
                    "hovertext": [_between(name, f"{words} {point[column]:.4g}", point) for point in known],
                }
            )
    values = [value for trace in traces for value in trace["y"]]
    return figure(traces, _across(context, shown, scale), logarithmic("loss", values), label=f"over {scale}")


def _between(trial: str, value: str, point: Row) -> str:
    return f"{plain(trial)}<br>{value}, {point['images_seen']:,} images"


def _across(context: ReportContext, points: list[Row], scale: str) -> Axis:
    column, title = SCALES[scale]
    if scale == "images":
        marks = context.search.get("rungs") or sorted({row["images_seen"] for row in context.reports})
        return axis(title, type="log", tickvals=marks, ticktext=[f"{images:,}" for images in marks])
    return logarithmic(title, [point[column] for point in points])


def _best_so_far(context: ReportContext) -> list[Figure]:
    """Return for each budget, the largest first, every report and the lowest FMD until then; none of one report."""
    began = min((row["started"] for row in context.rows.values() if row["started"]), default=None)
    figures = []
    for images, reports in context.budgets.items():
        known = sorted((row for row in reports if not row["diverged"]), key=lambda row: row["time"])
        if began is not None and len(known) > 1:
            minutes = [(row["time"] - began).total_seconds() / 60 for row in known]
            figures.append(_so_far(context, known, minutes, f"{images:,} images"))
    return figures


def _so_far(context: ReportContext, reports: list[Row], minutes: list[float], label: str) -> Figure:
    fmds = [row["fmd"] for row in reports]
    colours, texts = [context.colour(row["trial"]) for row in reports], [context.about(row) for row in reports]
    traces = [staircase(minutes, list(accumulate(fmds, min))), dots(minutes, fmds, colours, 7, texts)]
    return figure(traces, axis("minutes since the start"), logarithmic("FMD", fmds), label)
