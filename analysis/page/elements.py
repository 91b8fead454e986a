"""What the templates draw: figures, cells of tables, and links that hold files."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

from analysis.page.latex import narrow, table
from analysis.text.formats import Sheet

Figure = dict[str, Any]


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


def data_uri(kind: str, content: str | bytes) -> str:
    """Return a link that holds a file of a media type."""
    data = content.encode() if isinstance(content, str) else content
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
