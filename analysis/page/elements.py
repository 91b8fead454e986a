"""What the templates draw: figures, cells of tables, and links that hold files."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isnan
from typing import Any

from analysis.text.formats import LATEX, Sheet, fitted, tabular

Figure = dict[str, Any]
NARROW = 46  # characters in a column of 85 mm at \footnotesize, spaces between the table's columns included


@dataclass(frozen=True)
class Cell:
    """A table's cell: its text, the value to sort it by if that is not the text, and a number of a colour, 1..5."""

    text: str
    key: float | str | None = None
    colour: int | None = None


def valued(text: str, value: float | None) -> Cell:
    """Return a cell that is sorted by a number, or comes last without one."""
    return Cell(text, "" if value is None or isnan(value) else value)


Group = tuple[str, Sequence[Sequence[Cell]]]  # a heading, which may be empty, and rows


def latex_link(
    groups: Sequence[Group], title: str, columns: Sequence[str], texts: Sequence[str], compact: bool = False
) -> str:
    """Return a link that holds a table as LaTeX, if compact with the columns that fit a narrow column of a paper.

    For the arguments see `analysis.text.formats.Sheet`.
    """
    parts = [(heading, [[cell.text for cell in row] for row in rows]) for heading, rows in groups]
    sheet = Sheet(columns, texts, parts, title=title)
    return data_uri("application/x-tex", table(narrow(sheet) if compact else sheet))


def table(sheet: Sheet) -> str:
    """Return a sheet with a title as LaTeX that needs the package booktabs."""
    head = ["% needs \\usepackage{booktabs}", r"\begin{table}", r"\centering\footnotesize"]
    caption = rf"\caption{{{sheet.title.translate(LATEX)}}}"
    lines = tabular(sheet, (r"\toprule", r"\midrule", r"\bottomrule"), between=[r"\addlinespace"])
    return "\n".join([*head, caption, *lines, r"\end{table}", ""])


def narrow(sheet: Sheet) -> Sheet:
    """Return a sheet with the columns for which `NARROW` characters are enough: the first texts and numbers.

    Of the texts only the first column stays, then columns of numbers are left out from the right.
    """
    first = next((name for name in sheet.columns if name in sheet.texts), sheet.columns[0])
    texts = [name for name in sheet.columns if name in sheet.texts and name != first]
    numbers = [name for name in reversed(sheet.columns) if name not in sheet.texts and name != first]
    found = replace(sheet, wraps=(), drops=numbers)
    for name in texts:
        found = found.without(name)
    return fitted(found, NARROW)


def data_uri(kind: str, content: str | bytes) -> str:
    """Return a link that holds a file of a media type."""
    data = content.encode() if isinstance(content, str) else content
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
