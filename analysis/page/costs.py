"""Relations of FMD: with itself at the full budget, with what a model costs, and with the loss."""

from __future__ import annotations

from analysis.page.context import ReportContext, plain, wrapped
from analysis.page.markup import Cell, Column, Markup, note, paragraph, section, table, tag
from analysis.page.plots import Figure, Trace, figure, logarithmic, plot
from analysis.statistics.pareto import COSTS, Point, front_budget, points
from analysis.statistics.ranking import Row
from analysis.statistics.rung_correlation import RungCorrelation, rung_correlation

RUNGS = (
    Column("images seen", True),
    Column("against", True),
    Column("trials", True),
    Column("Spearman", True),
    Column("95 % interval", True),
    Column("Kendall", True),
    Column("stopped between", True),
)


def rungs(context: ReportContext) -> Markup:
    """Return how well the order at each rung tells the order at the full budget."""
    found = rung_correlation(context.run)
    title = "How early the end can be told"
    if not found:
        return section("rungs", title, paragraph("Too few trials have reports at two budgets to compare their orders."))
    parts = [table("rungs-table", "Rank correlation of FMD between budgets", RUNGS, [("", [_rung(r) for r in found])])]
    text = "Rank correlation of FMD at a rung with FMD at the final budget, of the trials that have both."
    if any(row.selected for row in found):
        text += " Where trials were stopped in between only survivors have both, which brings it towards zero."
    return section("rungs", title, *parts, note(text))


def _rung(row: RungCorrelation) -> list[Cell]:
    return [
        Cell(f"{row.images_seen:,}", row.images_seen),
        Cell(f"{row.final:,}", row.final),
        Cell(str(row.trials)),
        Cell(f"{row.spearman:.2f}", row.spearman),
        Cell(f"{row.low:.2f} to {row.high:.2f}", row.low),
        Cell(f"{row.kendall:.2f}", row.kendall),
        Cell(str(row.stopped)),
    ]


def costs(context: ReportContext) -> Markup:
    """Return FMD against what a model costs, with the fronts, and against its loss."""
    images = front_budget(context.run)
    title = "FMD against cost"
    if images is None:
        return section("costs", title, paragraph("No trial has been measured yet."))
    planes = points(context.run)
    if not planes:
        return section("costs", title, paragraph("The trials do not differ in cost."))
    plots = [
        tag(
            "div",
            tag("h3", COSTS[cost]),
            plot(f"cost-{cost}", f"FMD against {COSTS[cost]}", [_plane(context, cost, found)], 320),
        )
        for cost, found in planes.items()
    ]
    text = f"At {images:,} images seen. On the line are the trials that none beats at the same cost or less."
    return section("costs", title, tag("div", *plots, class_="grid"), note(text))


def _plane(context: ReportContext, cost: str, found: list[Point]) -> Figure:
    front = [point for point in found if point.dominated_by is None]
    found = sorted(found, key=lambda point: point.trial in context.best)  # the coloured ones on top
    step = {
        "x": [p.cost for p in front],
        "y": [p.fmd for p in front],
        "mode": "lines",
        "hoverinfo": "skip",
        "line": {"shape": "hv", "color": "var(--axis)", "width": 1.5},
    }
    shown: Trace = {
        "x": [p.cost for p in found],
        "y": [p.fmd for p in found],
        "mode": "markers",
        "marker": {
            "color": [context.colour(p.trial) for p in found],
            "size": [10 if p.dominated_by is None else 7 for p in found],
            "opacity": [1 if p.dominated_by is None or p.trial in context.best else 0.6 for p in found],
        },
        "hovertext": [_told(context, cost, p) for p in found],
    }
    return figure([step, shown], logarithmic("", shown["x"]), logarithmic("FMD", shown["y"]))


def _told(context: ReportContext, cost: str, point: Point) -> str:
    value = f"FMD {point.fmd:.4g}, {point.cost:,.4g} {COSTS[cost]}"
    beaten = [f"beaten by {plain(point.dominated_by)}"] if point.dominated_by else []
    return "<br>".join([plain(point.trial), value, *wrapped(context.words[point.trial]), *beaten])


def losses(context: ReportContext) -> Markup:
    """Return FMD against the held-out loss, at the budget with most reports."""
    title = "Loss against FMD"
    rows = [row for row in _most(context) if row["validation_loss"] and not row["diverged"]]
    if len(rows) < 3:
        return section("losses", title, paragraph("Fewer than three trials have a held-out loss at one budget."))
    if len({row["validation_loss"] for row in rows}) == 1:
        return section("losses", title, paragraph("All trials have the same held-out loss: they are of one model."))
    from scipy.stats import spearmanr

    rho = float(spearmanr([r["validation_loss"] for r in rows], [r["fmd"] for r in rows]).statistic)
    rows.sort(key=lambda row: row["trial"] in context.best)
    shown = {
        "x": [row["validation_loss"] for row in rows],
        "y": [row["fmd"] for row in rows],
        "mode": "markers",
        "marker": {"color": [context.colour(row["trial"]) for row in rows], "size": 8},
        "hovertext": [context.about(row) + f"<br>held-out loss {row['validation_loss']:.4g}" for row in rows],
    }
    drawn = figure([shown], logarithmic("held-out loss", shown["x"]), logarithmic("FMD", shown["y"]))
    text = (
        f"{len(rows)} trials at {rows[0]['images_seen']:,} images seen, Spearman's rank correlation {rho:.2f}. Losses "
        "of different degradations, schedules and targets are of different things: read it within a kind, and rank by "
        "neither loss."
    )
    return section("losses", title, plot("loss-plot", "FMD against held-out loss", [drawn], 380), note(text))


def _most(context: ReportContext) -> list[Row]:
    return max(context.budgets.values(), key=len, default=[])
