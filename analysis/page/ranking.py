"""The section with all trials by rung, as the search ranks them."""

from analysis.page.context import ReportContext
from analysis.page.elements import Cell, data_uri, valued
from analysis.statistics.ranking import Row
from analysis.text.formats import csv
from analysis.text.ranking import COLUMNS, TEXTS, legend, ranking_parts

SORTED_BY = {
    "rank": "rank",
    "FMD ± s.e.": "fmd",
    "norm.": "fmd_normalised",
    "corr.": "fmd_corrected",
    "train": "train_seconds",
}


def ranking(context: ReportContext) -> dict[str, object]:
    """Return all trials, each among those of its budget."""
    rows = iter(context.ranking.to_pylist())
    groups = [
        (title, [_cells(context, texts, next(rows)) for texts in part])
        for title, part in ranking_parts(context.ranking, context.words)
    ]
    return {
        "columns": COLUMNS,
        "texts": TEXTS,
        "groups": groups,
        "csv": data_uri("text/csv", csv(context.ranking)),
        "legend": legend(context.trials, context.shared).split("\n"),
    }


def _cells(context: ReportContext, texts: list[str], row: Row) -> list[Cell]:
    cells = []
    for name, text in zip(COLUMNS, texts, strict=True):
        if name == "trial":
            cells.append(context.trial_cell(row["trial"]))
        elif name in SORTED_BY:
            cells.append(valued(text, row[SORTED_BY[name]]))
        else:
            cells.append(Cell(text))
    return cells
