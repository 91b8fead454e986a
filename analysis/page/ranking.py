"""The section with all trials by rung, as the search ranks them."""

from analysis.page.context import ReportContext
from analysis.page.elements import Cell, Column, Table, data_uri
from analysis.statistics.ranking import Row
from analysis.text.formats import csv
from analysis.text.ranking import COLUMNS, TEXTS, legend, ranking_parts

EXPLAINED = {
    "FMD ± s.e.": "Frechet distance to real images, and its standard error over the generated images",
    "norm.": "0 is real against real images, 1 a blank set",
    "corr.": "corrected for the bias of a finite number of samples",
    "train": "seconds of training",
    "rank": "~: within two standard errors of the row above",
}
SORTED_BY = {
    "rank": "rank",
    "FMD ± s.e.": "fmd",
    "norm.": "fmd_normalised",
    "corr.": "fmd_corrected",
    "train": "train_seconds",
}


def ranking(context: ReportContext) -> dict[str, object]:
    """Return all trials, each among those of its budget."""
    columns = [Column(name, name not in TEXTS, EXPLAINED.get(name)) for name in COLUMNS]
    rows = iter(context.ranking.to_pylist())
    groups = [
        (title, [_cells(context, texts, next(rows)) for texts in part])
        for title, part in ranking_parts(context.ranking, context.words)
    ]
    return {
        "table": Table("ranking-table", "Trials by budget", columns, groups),
        "csv": data_uri("text/csv", csv(context.ranking)),
        "legend": legend(context.trials, context.shared).split("\n"),
    }


def _cells(context: ReportContext, texts: list[str], row: Row) -> list[Cell]:
    cells = []
    for name, text in zip(COLUMNS, texts, strict=True):
        if name == "trial":
            cells.append(context.trial_cell(row["trial"]))
        elif name in SORTED_BY:
            value = row[SORTED_BY[name]]
            cells.append(Cell(text, "" if value is None else value))
        else:
            cells.append(Cell(text))
    return cells
