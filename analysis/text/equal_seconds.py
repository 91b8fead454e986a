"""Write a ranking at equal seconds of training as text, and whether the same trial is first at equal images."""

from collections.abc import Mapping, Sequence
from itertools import groupby

import pyarrow as pa

from analysis.run.run import Run
from analysis.statistics.equal_seconds import rank_at_seconds
from analysis.statistics.ranking import Row, indistinguishable, metric_card, shared_values
from analysis.statistics.readings import ENDED, INTERPOLATED
from analysis.text.configuration import describe_trials
from analysis.text.formats import Block, Part, Sheet
from analysis.text.ranking import configuration_legend, place_text, remarks, run_heading
from analysis.text.words import column_form, listed, number, with_error

COLUMNS = ("rank", "trial", "FMD ± s.e.", "images", "configuration", "remarks")
TEXTS = ("trial", "configuration", "remarks")
DROPS = ("remarks", "images", "configuration")
LEVELS = (
    "A trial is ranked at the last of these seconds at which its FMD is known. They are, for each rung, those of the "
    "fastest trial that passed it."
)
MARKS = (
    "≈: interpolated between two reports, log FMD over log seconds. =: training ended by itself before. "
    "~: within two standard errors of the row above."
)


def seconds_blocks(run: Run, trials: pa.Table) -> list[Block]:
    """Return the ranking at equal seconds of some or all of a run's trials, with what explains it."""
    card, shared = metric_card(run), shared_values(trials)
    ranking = rank_at_seconds(trials, run.curves(), card)
    sheet = Sheet(COLUMNS, TEXTS, seconds_parts(ranking, describe_trials(trials, shared)), drops=DROPS)
    return [run_heading(run.name, card, trials), sheet, seconds_legend(ranking, trials, shared)]


def seconds_parts(ranking: pa.Table, words: Mapping[str, str]) -> list[Part]:
    """Return a ranking of `rank_at_seconds` as text, without the trials that have no level.

    `words` describe the trials' configurations.
    """
    form, rows = column_form(ranking.to_pylist()), [row for row in ranking.to_pylist() if row["seconds"] is not None]
    return [
        (f"{seconds_text(seconds)} of training", [_texts(row, form, words) for row in group])
        for seconds, group in groupby(rows, key=lambda row: row["seconds"])
    ]


def seconds_legend(ranking: pa.Table, trials: pa.Table, shared: Row) -> str:
    """Return lines that say how to read a ranking at equal seconds, and which trials it leaves out."""
    lines = [LEVELS, MARKS]
    absent = [row["trial"] for row in ranking.to_pylist() if row["seconds"] is None]
    if absent:
        lines.append(f"Known at none of these seconds, most from one report only: {listed(absent)}.")
    return "\n".join([*lines, *configuration_legend(trials, shared)])


def seconds_text(seconds: float) -> str:
    """Return seconds with three significant digits or all that are whole."""
    return f"{seconds:,.0f} s" if seconds >= 100 else f"{seconds:.3g} s"


def marked_fmd(row: Row, form: str) -> str:
    """Return the FMD of a ranking at equal seconds with its standard error, marked where no report is there."""
    if row["fmd"] is None:
        return "-"
    mark = {INTERPOLATED: "≈", ENDED: "="}.get(row["reading"], "")
    return mark + with_error(row["fmd"], row["fmd_se"], form)


def _texts(row: Row, form: str, words: Mapping[str, str]) -> list[str]:
    return [
        place_text(row),
        row["trial"],
        marked_fmd(row, form),
        number(row["images_seen"], ","),
        words[row["trial"]],
        remarks(row),
    ]


def difference(by_images: Sequence[Row], by_seconds: Sequence[Row]) -> str:
    """Say which trial is first at equal images, which at equal seconds, and why where they differ.

    Args:
        by_images: the rows of the first block of `analysis.statistics.ranking.rank` that have a rank.
        by_seconds: the same of `analysis.statistics.equal_seconds.rank_at_seconds`.
    """
    first, other = by_images[0]["trial"], by_seconds[0]["trial"]
    if first == other:
        return f"{first} is first at equal images and at equal seconds."
    return f"{first} is first at equal images, {other} at equal seconds{_because(by_images[0], by_seconds)}."


def _because(first: Row, by_seconds: Sequence[Row]) -> str:
    """Say how much longer the first at equal images trains on an image, and whether errors explain the difference."""
    other = by_seconds[0]
    here = next((row for row in by_seconds if row["trial"] == first["trial"]), None)
    if here is None:
        return ""
    ratio = other["images_seen"] / here["images_seen"]
    slower = ratio > 1.05 and ENDED not in (here["reading"], other["reading"])
    text = f", because {first['trial']} takes {ratio:.1f} times as long for an image" if slower else ""
    if indistinguishable(other, here):
        text += "; their FMDs there are within two standard errors"
    return text
