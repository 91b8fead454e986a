"""The section about the trials that were trained again with fresh seeds."""

from analysis.page.context import ReportContext, plain
from analysis.page.elements import Cell
from analysis.page.plots import Interval, intervals, logarithmic
from analysis.statistics.confirmed import Standing, normalise
from analysis.statistics.ranking import MetricCard
from analysis.text.confirmation import standing_texts
from analysis.text.words import fmd_form, number


def confirmed(context: ReportContext) -> dict[str, object] | None:
    """Return the confirmed trials with intervals; None before there are any."""
    result = context.result
    if result is None or not result.standings:
        return None
    rows = [_interval(context, standing, result.metric) for standing in result.standings]
    values = [value for row in rows for value in (row.low, row.high, *row.single)]
    return {
        "figure": intervals(rows, logarithmic("normalised FMD", values)),
        "rows": [_cells(context, standing, result.standings[0]) for standing in result.standings],
        "metric": result.metric,
        "test_rows": [_cells(context, standing, result.test_standings[0]) for standing in result.test_standings],
        "test_metric": result.test_metric,
    }


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


def _cells(context: ReportContext, s: Standing, best: Standing) -> list[Cell]:
    remarks = [s.baseline, "tied" if s.tied and s is not best else "", "left the race" if s.dropped else ""]
    fmd, interval, behind, seeds, chance, _ = standing_texts(s, fmd_form(best.fmd))
    return [
        context.trial_cell(s.trial),
        Cell(number(s.normalised), s.normalised),
        Cell(f"{number(s.normalised_low)} to {number(s.normalised_high)}", s.normalised_low),
        Cell(f"{fmd}, {interval}", s.fmd),
        Cell(behind, s.behind.share if s.behind else 0.0),
        Cell(seeds),
        Cell(chance, s.p_best),
        Cell(context.words.get(s.trial, "")),
        Cell(", ".join(remark for remark in remarks if remark)),
    ]
