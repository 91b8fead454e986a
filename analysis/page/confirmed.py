"""The section about the trials that were trained again with fresh seeds."""

from analysis.page.context import ReportContext, plain
from analysis.page.elements import Cell, valued
from analysis.page.plots import Interval, intervals, logarithmic
from analysis.statistics.confirmed import Standing, normalise
from analysis.statistics.measures import searched
from analysis.statistics.ranking import MetricCard
from analysis.text.checks import check_rows, shown
from analysis.text.confirmation import as_judged, standing_remarks, standing_texts, standings_form
from analysis.text.opinions import opinion_rows, opinion_titles
from analysis.text.words import fmd_text, number, percent


def confirmed(context: ReportContext) -> dict[str, object] | None:
    """Return the confirmed trials with intervals; None before there are any."""
    result = context.result
    if result is None or not result.standings:
        return None
    rows = [_interval(context, standing, result.metric) for standing in result.standings]
    before, words = searched(context.run, result.images_seen), as_judged(context.words, result)

    def cells(s: Standing, form: str) -> list[Cell]:
        fmd, interval, behind, seeds, chance, _ = standing_texts(s, form)
        return [
            context.trial_cell(s.trial),
            Cell(number(s.normalised), s.normalised),
            valued(number(before.get(s.trial)), before.get(s.trial)),
            Cell(f"{number(s.normalised_low)} to {number(s.normalised_high)}", s.normalised_low),
            Cell(f"{fmd}, {interval}", s.fmd),
            Cell(behind, s.behind.share if s.behind else 0.0),
            Cell(seeds),
            valued(chance, s.p_best),
            Cell(words.get(s.trial, "")),
            Cell(standing_remarks(s)),
        ]

    checks = shown(result)
    values = [value for row in rows for value in (row.low, row.high, *row.single)]
    return {
        "figure": intervals(rows, logarithmic("normalised FMD", values)),
        "rows": [cells(standing, standings_form(result.standings)) for standing in result.standings],
        "metric": result.metric,
        "test_rows": [cells(standing, standings_form(result.test_standings)) for standing in result.test_standings],
        "test_metric": result.test_metric,
        "opinion_titles": opinion_titles(result),
        "opinion_rows": [
            [context.trial_cell(name), *(Cell(fmd_text(value), value) for value in values)]
            for name, values in opinion_rows(result)
        ],
        "checks": {check.title: check.meaning for check in checks},
        "check_rows": [
            [context.trial_cell(name), *(valued(percent(found.get(one.name)), found.get(one.name)) for one in checks)]
            for name, found in check_rows(result)
        ],
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
