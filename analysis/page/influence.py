"""The section about which fields mattered and the effect of each choice."""

from itertools import groupby

from analysis.page.context import ReportContext, plain
from analysis.page.elements import Cell, Column, Plot, Table
from analysis.page.plots import Interval, axis, intervals, logarithmic
from analysis.statistics.comparable_trials import ENOUGH, comparable_trials
from analysis.statistics.effects import Effect, effects
from analysis.statistics.importances import Importance, importances

EFFECTS = (
    Column("field"),
    Column("choice"),
    Column("trials", True),
    Column("FMD", True, "geometric mean"),
    Column("low", True, "lower end of the 95 % interval"),
    Column("high", True, "upper end of the 95 % interval"),
)
SHOWN = 30  # choices in the plot; the table has all


def influence(context: ReportContext) -> dict[str, object]:
    """Return the importances of the fields and the effects of their values."""
    compared = comparable_trials(context.run)
    if compared is None:
        return {"compared": None}
    important, found = importances(context.run), effects(context.run)
    return {
        "compared": compared,
        "baselines": any(row["baseline"] for row in context.rows.values()),
        "enough": ENOUGH,
        "importances": _importances_plot(important) if important else None,
        "effects": _effects_plot(found) if found else None,
        "table": Table("effects-table", "The effect of each choice", EFFECTS, [("", [_cells(item) for item in found])]),
    }


def _importances_plot(found: list[Importance]) -> Plot:
    rows = [_importance(item) for item in found]
    figure = intervals(rows, axis("share of importance", range=[0, 1], tickformat=".0%"))
    chance = {
        "type": "scatter",
        "hoverinfo": "skip",
        "x": [item.chance for item in found],
        "y": list(range(len(found))),
        "mode": "markers",
        "uid": "chance",
        "marker": {"symbol": "line-ns-open", "size": 14, "color": "var(--muted)"},
    }
    figure["data"].append(chance)
    title = "Importance of each field with a 95 % interval"
    return Plot("importances-plot", title, [figure], height=100 + 30 * len(rows))


def _importance(item: Importance) -> Interval:
    share = f"{item.value:.0%}, {item.low:.0%} to {item.high:.0%}"
    about = f"{plain(item.name)}<br>{share}<br>{item.trials} trials have it"
    return Interval(item.name, item.value, item.low, item.high, about)


def _effects_plot(found: list[Effect]) -> Plot:
    rows: list[Interval | str] = []
    drawn: list[Effect] = []
    for name, group in groupby(found, key=lambda item: item.name):
        options = list(group)
        if len(drawn) + len(options) <= SHOWN:
            rows += [name, *(_effect(option) for option in options)]
            drawn += options
    ends = [end for item in drawn for end in (item.low, item.high)]
    figure = intervals(rows, logarithmic("geometric mean FMD", ends))
    title = "Mean FMD of each choice with a 95 % interval"
    return Plot("effects-plot", title, [figure], height=90 + 23 * len(rows))


def _effect(item: Effect) -> Interval:
    fmd = f"FMD {item.fmd:.1f}, {item.low:.1f} to {item.high:.1f}"
    about = f"{plain(item.name)} {plain(item.option)}<br>{fmd}<br>{item.trials} trials"
    return Interval(item.option, item.fmd, item.low, item.high, about)


def _cells(item: Effect) -> list[Cell]:
    return [
        Cell(item.name),
        Cell(item.option),
        Cell(str(item.trials)),
        Cell(f"{item.fmd:.1f}", item.fmd),
        Cell(f"{item.low:.1f}", item.low),
        Cell(f"{item.high:.1f}", item.high),
    ]
