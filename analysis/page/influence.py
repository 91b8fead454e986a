"""Which fields mattered and what each choice came to."""

from __future__ import annotations

from itertools import groupby

from analysis.page.context import ReportContext, plain
from analysis.page.markup import Cell, Column, Markup, note, paragraph, section, table, tag
from analysis.page.plots import Interval, axis, intervals, logarithmic, plot
from analysis.statistics.comparable_trials import ENOUGH, ComparableTrials, comparable_trials
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


def influence(context: ReportContext) -> Markup:
    """Return the importances of the fields and the marginal effects of their values."""
    compared = comparable_trials(context.run)
    if compared is None:
        return section("influence", "What mattered", paragraph("No trial of the search itself has reported yet."))
    parts = [_about(context, compared), *_importances(context), *_effects(context)]
    return section("influence", "What mattered", *parts)


def _about(context: ReportContext, compared: ComparableTrials) -> Markup:
    count, images = len(compared.trials), f"{compared.images_seen:,}"
    text = f"Of the {count} trials that the search drew and measured at {images} images seen"
    if compared.selected:
        text += f", the survivors of {compared.reported}"
    if any(row["baseline"] for row in context.rows.values()):
        text += "; the literature's configurations are left out"
    return paragraph(text + ".")


def _importances(context: ReportContext) -> list[Markup]:
    found = importances(context.run)
    if not found:
        few = f"Importances take at least {ENOUGH} trials of the search at one number of images seen."
        return [tag("h3", "Importances"), paragraph(few)]
    rows = [_importance(item) for item in found]
    shown = intervals(rows, axis("share of importance", range=[0, 1], tickformat=".0%"))
    ticks = {"x": [item.chance for item in found], "y": list(range(len(found))), "mode": "markers", "uid": "chance"}
    ticks |= {"marker": {"symbol": "line-ns-open", "size": 14, "color": "var(--muted)"}}
    shown["data"].append({"type": "scatter", "hoverinfo": "skip", **ticks})
    return [
        tag("h3", "Importances"),
        plot("importances-plot", "Importance of each field with a 95 % interval", [shown], 100 + 30 * len(rows)),
        note(
            "By PED-ANOVA: how much the values of a field among the best trials differ from those among all, with a "
            "95 % interval over resampled trials. The upright stroke is what a field without influence stays below in "
            "95 % of cases: what lies left of it cannot be told from nothing."
        ),
    ]


def _importance(item: Importance) -> Interval:
    text = f"{plain(item.name)}<br>{item.value:.0%}, {item.low:.0%} to {item.high:.0%}<br>{item.trials} trials have it"
    return Interval(item.name, item.value, item.low, item.high, text)


def _effects(context: ReportContext) -> list[Markup]:
    found = effects(context.run)
    title = tag("h3", "The effect of each choice")
    if not found:
        return [title, paragraph("There are too few trials to compare the choices.")]
    cells = [
        [
            Cell(item.name),
            Cell(item.option),
            Cell(str(item.trials)),
            Cell(f"{item.fmd:.1f}", item.fmd),
            Cell(f"{item.low:.1f}", item.low),
            Cell(f"{item.high:.1f}", item.high),
        ]
        for item in found
    ]
    return [
        title,
        *_effects_plot(found),
        note("Geometric mean FMD of the trials that made a choice, 95 % interval, all else as it came with them."),
        table("effects-table", "The effect of each choice", EFFECTS, [("", cells)]),
    ]


def _effects_plot(found: list[Effect]) -> list[Markup]:
    rows: list[Interval | str] = []
    drawn: list[Effect] = []
    for name, group in groupby(found, key=lambda item: item.name):
        options = list(group)
        if len(drawn) + len(options) <= SHOWN:
            rows += [name, *map(_effect, options)]
            drawn += options
    values = [end for item in drawn for end in (item.low, item.high)]
    shown = intervals(rows, logarithmic("geometric mean FMD", values))
    return [plot("effects-plot", "Mean FMD of each choice with a 95 % interval", [shown], 90 + 23 * len(rows))]


def _effect(item: Effect) -> Interval:
    text = f"{plain(item.name)} {plain(item.option)}"
    text += f"<br>FMD {item.fmd:.1f}, {item.low:.1f} to {item.high:.1f}<br>{item.trials} trials"
    return Interval(item.option, item.fmd, item.low, item.high, text)
