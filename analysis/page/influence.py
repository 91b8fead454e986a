"""The section about which fields mattered and the effect of each choice."""

from itertools import groupby

from analysis.page.context import ReportContext, plain
from analysis.page.elements import Cell, Figure, valued
from analysis.page.plots import Interval, axis, intervals, logarithmic
from analysis.statistics.comparable_trials import ENOUGH, comparable_trials
from analysis.statistics.effects import Effect, effects
from analysis.statistics.importances import Importance, importances
from analysis.text.insight import effect_interval
from analysis.text.words import counted, fmd_form, interval_text, number

SHOWN = 30  # choices in the plot; the table has all


def influence(context: ReportContext) -> dict[str, object]:
    """Return the importances of the fields and the effects of their values."""
    compared = comparable_trials(context.run)
    if compared is None:
        return {"compared": None}
    important, found = importances(context.run), effects(context.run)
    choices = _effects_by_field(found)
    form = fmd_form(min((item.fmd for item in found), default=1.0))
    ends = [end for row in choices if isinstance(row, Interval) for end in (row.low, row.high)]
    return {
        "compared": compared,
        "baselines": any(row["baseline"] for row in context.rows.values()),
        "enough": ENOUGH,
        "fields": len(important),
        "importances": _importances_figure(important) if important else None,
        "shown": len(choices),
        "left_out": sum(isinstance(row, Interval) for row in choices) < len(found),
        "effects": intervals(choices, logarithmic("FMD", ends)) if found else None,
        "rows": [_cells(item, form) for item in found],
    }


def _importances_figure(found: list[Importance]) -> Figure:
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
    return figure


def _importance(item: Importance) -> Interval:
    share = f"{100 * item.value:.0f} %, {interval_text(100 * item.low, 100 * item.high, '.0f')} %"
    about = f"{plain(item.name)}<br>{share}<br>{item.trials} trials have it"
    return Interval(item.name, item.value, item.low, item.high, about)


def _effects_by_field(found: list[Effect]) -> list[Interval | str]:
    """Return the choices of each field below its name, as far as there is room; those of the first in any case."""
    rows: list[Interval | str] = []
    shown = 0
    for name, group in groupby(found, key=lambda item: item.name):
        options = [_effect(option) for option in group]
        if not rows or shown + len(options) <= SHOWN:
            rows += [name, *options]
            shown += len(options)
    return rows


def _effect(item: Effect) -> Interval:
    form = fmd_form(item.fmd)
    fmd = f"FMD {item.fmd:{form}}, interval {effect_interval(item, form)}"
    about = f"{plain(item.name)} {plain(item.option)}<br>{fmd}<br>{counted(item.trials, 'trial')}"
    return Interval(item.option, item.fmd, item.low or item.fmd, item.high or item.fmd, about)


def _cells(item: Effect, form: str) -> list[Cell]:
    return [
        Cell(item.name),
        Cell(item.option),
        Cell(str(item.trials)),
        *(valued(number(value, form), value) for value in (item.fmd, item.low, item.high)),
    ]
