"""The sections that relate FMD to itself at a later rung, to what a model costs, and to the loss."""

from analysis.page.context import ReportContext, plain
from analysis.page.elements import Cell, Figure, valued
from analysis.page.plots import dots, figure, logarithmic, staircase
from analysis.statistics.pareto import COSTS, Point, front_budget, points
from analysis.statistics.rung_correlation import rung_correlation
from analysis.text.words import fmd_text


def rungs(context: ReportContext) -> dict[str, object]:
    """Return how well the order at each rung predicts that at the largest one that enough trials have reached."""
    found = rung_correlation(context.run)
    rows = [
        [
            Cell(f"{row.images_seen:,}", row.images_seen),
            Cell(f"{row.final:,}", row.final),
            Cell(str(row.trials)),
            valued(f"{row.spearman:.2f}", row.spearman),
            valued(f"{row.low:.2f} to {row.high:.2f}", row.low),
            valued(f"{row.kendall:.2f}", row.kendall),
            Cell(str(row.stopped)),
        ]
        for row in found
    ]
    return {"rows": rows, "selected": any(row.stopped for row in found), "final": found[0].final if found else None}


def costs(context: ReportContext) -> dict[str, object]:
    """Return a plot for each cost of FMD against it, with the front."""
    return {
        "images": front_budget(context.run),
        "figures": {cost: _plane(context, cost, found) for cost, found in points(context.run).items()},
        "titles": COSTS,
    }


def _plane(context: ReportContext, cost: str, found: list[Point]) -> Figure:
    front = [point for point in found if point.dominated_by is None]
    found = sorted(found, key=lambda point: point.trial in context.best)  # the coloured ones on top
    x, y = [p.cost for p in found], [p.fmd for p in found]
    colours, sizes = [context.colour(p.trial) for p in found], [10 if p.dominated_by is None else 7 for p in found]
    shown = dots(x, y, colours, sizes, [_about(context, cost, p) for p in found])
    step = staircase([p.cost for p in front], [p.fmd for p in front])
    return figure([step, shown], logarithmic("", x), logarithmic("FMD", y))


def _about(context: ReportContext, cost: str, point: Point) -> str:
    text = context.hover_text(point.trial, f"FMD {fmd_text(point.fmd)}, {point.cost:,.4g} {COSTS[cost]}")
    return text if point.dominated_by is None else f"{text}<br>beaten by {plain(point.dominated_by)}"


def losses(context: ReportContext) -> dict[str, object]:
    """Return a plot of FMD against the held-out loss, at the budget with most reports."""
    most = max(context.budgets.values(), key=len, default=[])
    rows = [row for row in most if row["validation_loss"] and not row["diverged"]]
    if len(rows) < 3 or len({row["validation_loss"] for row in rows}) == 1:
        return {"count": len(rows), "figure": None}
    from scipy.stats import spearmanr  # a second, which most commands do not need

    rows.sort(key=lambda row: row["trial"] in context.best)
    values, fmds = [row["validation_loss"] for row in rows], [row["fmd"] for row in rows]
    colours = [context.colour(row["trial"]) for row in rows]
    texts = [context.about(row) + f"<br>held-out loss {row['validation_loss']:.4g}" for row in rows]
    shown = dots(values, fmds, colours, 8, texts)
    return {
        "figure": figure([shown], logarithmic("held-out loss", values), logarithmic("FMD", fmds)),
        "count": len(rows),
        "images": rows[0]["images_seen"],
        "correlation": spearmanr(values, fmds).statistic,
    }
