"""The tables of the trials: those that were confirmed, with intervals, and all by rung as the search ranks them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from analysis.page.context import ReportContext, plain
from analysis.page.markup import Cell, Column, Group, Markup, file, join, note, paragraph, section, table, tag
from analysis.page.plots import Interval, intervals, logarithmic, plot
from analysis.statistics.ranking import MetricCard
from analysis.text.formats import csv
from analysis.text.ranking import legend, ranking_sheet
from analysis.text.words import number

if TYPE_CHECKING:
    from analysis.statistics.confirmed import Standing

EXUNNAMEDED = {
    "FMD ± s.e.": "Frechet distance to real images, and its standard error over the generated images",
    "norm.": "0 is real against real images, 1 a blank set",
    "corr.": "corrected for the bias of a finite number of samples",
    "train": "seconds of training",
    "rank": "~: within two standard errors of the row above",
}
STANDING = (
    Column("trial"),
    Column("norm.", True, EXUNNAMEDED["norm."]),
    Column("95 % interval", True, "over training seeds"),
    Column("FMD", True, "mean and 95 % interval over training seeds"),
    Column("seeds", True),
    Column("P(best)", True, "the probability that its mean is the lowest"),
    Column("configuration"),
    Column("remarks"),
)


def confirmed(context: ReportContext) -> Markup:
    """Return the trials that were trained again with fresh seeds, with intervals; nothing before any were."""
    if context.result is None:
        return Markup()
    result = context.result
    content = [
        paragraph(
            "The search's best, trained again from fresh seeds, judged on real images that the search did not see."
        ),
        _plot("confirmed-plot", context, result.standings, result.metric),
        note("Mean and 95 % interval over training seeds; the small dots are the single trainings."),
        table("confirmed-table", "Confirmed trials", STANDING, [("", _standings(context, result.standings))]),
        note(f"A tied trial may be the best, too. {_judged(result.metric)}"),
    ]
    if result.test_standings:
        content += [
            tag("h3", "On the test set"),
            paragraph("The same models against the test images, which nothing before this was chosen by."),
            table("final-table", "On the test set", STANDING, [("", _standings(context, result.test_standings))]),
            note(_judged(result.test_metric)),
        ]
    return section("confirmed", "Confirmed", *content)


def _judged(card: MetricCard) -> str:
    texts = {name: f"{value:.4g}" if isinstance(value, float) else str(value) for name, value in card.items()}
    return f"The metric: {', '.join(f'{name} {text}' for name, text in texts.items())}."


def _plot(name: str, context: ReportContext, standings: Sequence[Standing], card: MetricCard) -> Markup:
    rows = [_interval(context, standing, card) for standing in standings]
    values = [value for row in rows for value in (row.low, row.high, *row.single)]
    shown = intervals(rows, logarithmic("normalised FMD", values))
    return plot(name, "Confirmed trials with 95 % intervals", [shown], height=90 + 44 * len(rows))


def _interval(context: ReportContext, s: Standing, card: MetricCard) -> Interval:
    single = [(fmd - card["floor"]) / (card["blank"] - card["floor"]) for fmd in s.fmds]
    low, high = number(s.normalised_low), number(s.normalised_high)
    about = f"{plain(s.trial)}<br>{number(s.normalised)}, {low} to {high}, of {len(single)} seeds"
    colour = context.colour(s.trial)
    return Interval(s.trial, s.normalised, s.normalised_low, s.normalised_high, about, colour, single)


def _standings(context: ReportContext, standings: Sequence[Standing]) -> list[list[Cell]]:
    best = standings[0]
    return [
        [
            trial(context, s.trial),
            Cell(number(s.normalised), s.normalised),
            Cell(f"{number(s.normalised_low)} to {number(s.normalised_high)}", s.normalised_low),
            Cell(f"{s.fmd:.1f}, {s.low:.1f} to {s.high:.1f}", s.fmd),
            Cell(str(len(s.fmds))),
            Cell(f"{s.p_best:.2f}", s.p_best),
            Cell(context.words.get(s.trial, "")),
            Cell(_remarks(s, best)),
        ]
        for s in standings
    ]


def _remarks(standing: Standing, best: Standing) -> str:
    tied = "tied" if standing.tied and standing is not best else ""
    dropped = "left the race" if standing.dropped else ""
    return ", ".join(filter(None, (standing.baseline, tied, dropped)))


def trial(context: ReportContext, name: str) -> Cell:
    """Return a trial's name, with its colour in the plots if it has one."""
    if name not in context.best:
        return Cell(name)
    swatch = tag("span", class_=f"swatch c{context.best.index(name) + 1}", aria_hidden="true")
    return Cell(name, name, join(swatch, name))


def ranking(context: ReportContext) -> Markup:
    """Return all trials, each among those of its budget."""
    shown = ranking_sheet(context.ranking, context.words)
    columns = [Column(name, name not in shown.texts, EXUNNAMEDED.get(name)) for name in shown.columns]
    ordered = context.ranking.to_pylist()
    keys = ("rank", None, "fmd", "fmd_normalised", "fmd_corrected", "train_seconds", None, None)
    groups: list[Group] = []
    done = 0
    for title, rows in shown.parts:
        group = []
        for texts, row in zip(rows, ordered[done : done + len(rows)], strict=True):
            line = [Cell(text, _key(row[key]) if key else None) for text, key in zip(texts, keys, strict=True)]
            line[1] = trial(context, row["trial"])
            group.append(line)
        groups.append((title, group))
        done += len(rows)
    link = file("CSV, every column in full precision", "ranking.csv", "text/csv", csv(context.ranking))
    return section(
        "ranking",
        "The search's ranking",
        paragraph(
            "FMD compares at equal images seen only: trials are ranked, and sorted, among those that were last "
            "measured at the same number. A trial stopped early is not bad; it was not worth more images."
        ),
        table("ranking-table", "Trials by budget", columns, groups, link),
        *(note(line) for line in legend(context.trials, context.shared).split("\n")),
    )


def _key(value: float | None) -> float | str:
    return "" if value is None else value
