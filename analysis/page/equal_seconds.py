"""The section that compares the ranking at equal images with that at equal seconds of training."""

from analysis.page.context import ReportContext
from analysis.page.elements import Cell, valued
from analysis.statistics.ranking import Row
from analysis.text.commands import Commands
from analysis.text.equal_seconds import difference, marked_fmd, seconds_text
from analysis.text.ranking import place_text
from analysis.text.words import column_form, number

FIRST = 5  # of each ranking
COLUMNS = ("trial", "at equal images", "FMD", "at equal seconds", "FMD then", "norm. then", "images then")


def equal_seconds(context: ReportContext) -> dict[str, object] | None:
    """Return the first trials of both rankings; None where fewer than two are ranked in the first block of either."""
    by_images = _first_block(context.ranked, "images_seen")
    ranking = context.at_seconds.to_pylist()
    by_seconds = _first_block([row for row in ranking if row["rank"] is not None], "seconds")
    if min(len(by_images), len(by_seconds)) < 2:
        return None
    here, there = ({row["trial"]: row for row in rows} for rows in (by_images, by_seconds))
    names = dict.fromkeys(row["trial"] for rows in (by_images[:FIRST], by_seconds[:FIRST]) for row in rows)
    form, commands = column_form(ranking), Commands.anywhere(context.run)
    return {
        "columns": COLUMNS,
        "texts": COLUMNS[:1],
        "rows": [_cells(context, name, here.get(name), there.get(name), form) for name in names],
        "images": by_images[0]["images_seen"],
        "seconds": seconds_text(by_seconds[0]["seconds"]),
        "difference": difference(by_images, by_seconds),
        "command": commands.script("analysis/rank.py", commands.run, "--at seconds"),
    }


def _first_block(ranked: list[Row], level: str) -> list[Row]:
    return [row for row in ranked if row[level] == ranked[0][level]]


def _cells(context: ReportContext, name: str, here: Row | None, there: Row | None, form: str) -> list[Cell]:
    measured = [valued("-", None)] * 2
    if here is not None:
        measured = [valued(place_text(here), here["rank"]), valued(format(here["fmd"], form), here["fmd"])]
    read = [valued("-", None)] * 4
    if there is not None:
        read = [
            valued(place_text(there), there["rank"]),
            valued(marked_fmd(there, form), there["fmd"]),
            valued(number(there["fmd_normalised"]), there["fmd_normalised"]),
            valued(number(there["images_seen"], ","), there["images_seen"]),
        ]
    return [context.trial_cell(name), *measured, *read]
