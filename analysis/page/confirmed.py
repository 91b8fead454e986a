"""The section about the trials that were trained again with fresh seeds."""

from collections.abc import Sequence

from analysis.page.context import ReportContext, plain
from analysis.page.elements import Cell, Column, Plot, Table
from analysis.page.plots import Interval, intervals, logarithmic
from analysis.statistics.confirmed import Standing, normalise
from analysis.statistics.ranking import MetricCard
from analysis.text.words import number

COLUMNS = (
    Column("trial"),
    Column("norm.", True, "0 is real against real images, 1 a blank set"),
    Column("95 % interval", True, "over training seeds"),
    Column("FMD", True, "mean and 95 % interval over training seeds"),
    Column("seeds", True),
    Column("P(best)", True, "the probability that its mean is the lowest"),
    Column("configuration"),
    Column("remarks"),
)


def confirmed(context: ReportContext) -> dict[str, object] | None:
    """Return the confirmed trials with intervals; None before there are any."""
    result = context.result
    if result is None or not result.standings:
        return None
    test_table = None
    if result.test_standings:
        test_table = _table(context, "final-table", "On the test set", result.test_standings)
    return {
        "plot": _plot(context, result.standings, result.metric),
        "table": _table(context, "confirmed-table", "Confirmed trials", result.standings),
        "metric": _card_text(result.metric),
        "test_table": test_table,
        "test_metric": _card_text(result.test_metric),
    }


def _card_text(card: MetricCard) -> str:
    return ", ".join(f"{name} {v:.4g}" if isinstance(v, float) else f"{name} {v}" for name, v in card.items())


def _plot(context: ReportContext, standings: Sequence[Standing], card: MetricCard) -> Plot:
    rows = [_interval(context, standing, card) for standing in standings]
    values = [value for row in rows for value in (row.low, row.high, *row.single)]
    figure = intervals(rows, logarithmic("normalised FMD", values))
    return Plot("confirmed-plot", "Confirmed trials with 95 % intervals", [figure], height=90 + 44 * len(rows))


def _interval(context: ReportContext, standing: Standing, card: MetricCard) -> Interval:
    low, high = number(standing.normalised_low), number(standing.normalised_high)
    value = f"{number(standing.normalised)}, {low} to {high}, of {len(standing.fmds)} seeds"
    return Interval(
        label=standing.trial,
        value=standing.normalised,
        low=standing.normalised_low,
        high=standing.normalised_high,
        about=f"{plain(standing.trial)}<br>{value}",
        colour=context.colour(standing.trial),
        single=[normalise(fmd, card) for fmd in standing.fmds],
    )


def _table(context: ReportContext, name: str, title: str, standings: Sequence[Standing]) -> Table:
    best = standings[0]
    return Table(name, title, COLUMNS, [("", [_cells(context, standing, best) for standing in standings])])


def _cells(context: ReportContext, s: Standing, best: Standing) -> list[Cell]:
    remarks = [s.baseline, "tied" if s.tied and s is not best else "", "left the race" if s.dropped else ""]
    return [
        context.trial_cell(s.trial),
        Cell(number(s.normalised), s.normalised),
        Cell(f"{number(s.normalised_low)} to {number(s.normalised_high)}", s.normalised_low),
        Cell(f"{s.fmd:.1f}, {s.low:.1f} to {s.high:.1f}", s.fmd),
        Cell(str(len(s.fmds))),
        Cell(f"{s.p_best:.2f}", s.p_best),
        Cell(context.words.get(s.trial, "")),
        Cell(", ".join(remark for remark in remarks if remark)),
    ]
