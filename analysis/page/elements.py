"""What the templates draw as tables, plots and links to files: plain values, without markup."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from analysis.text.formats import Sheet, latex

Figure = dict[str, Any]


@dataclass(frozen=True)
class Plot:
    """A plot of page.js.

    Attributes:
        name: the element's id and the name of its download.
        title: what it shows, for people who do not see it.
        figures: as `plots.figure` makes them; of several, their labels become a choice above the plot.
        height: in CSS pixels.
        width: the least width in CSS pixels; on a narrower screen the plot scrolls in its box.
    """

    name: str
    title: str
    figures: Sequence[Figure]
    height: int = 420
    width: int | None = None


@dataclass(frozen=True)
class Cell:
    """A table's cell: its text, the value to sort it by if that is not the text, and a number of a colour, 1..5."""

    text: str
    key: float | str | None = None
    colour: int | None = None


@dataclass(frozen=True)
class Column:
    """A table's column; numbers are set to the right and sorted as numbers."""

    title: str
    number: bool = False
    explained: str | None = None


Group = tuple[str, Sequence[Sequence[Cell]]]


@dataclass(frozen=True)
class Table:
    """A table that page.js sorts, each group in itself, and offers as CSV; the page offers it as LaTeX, too.

    Attributes:
        name: the element's id and the name of its downloads.
        title: what it shows, for people who do not see it.
        columns: its columns.
        groups: its rows, in groups with a heading each; an empty heading is not shown.
    """

    name: str
    title: str
    columns: Sequence[Column]
    groups: Sequence[Group]

    @cached_property
    def latex(self) -> str:
        """The table as a link to a file of LaTeX."""
        texts = [column.title for column in self.columns if not column.number]
        parts = [(heading, [[cell.text for cell in row] for row in rows]) for heading, rows in self.groups]
        return data_uri("application/x-tex", latex(Sheet([column.title for column in self.columns], texts, parts)))


def data_uri(kind: str, content: str | bytes) -> str:
    """Return a link that holds a file of a media type."""
    data = content.encode() if isinstance(content, str) else content
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
