"""HTML that cannot be broken by what a run is called: text is escaped unless it is `Markup` already."""

import base64
import html
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.text.formats import Sheet, latex

VOID = ("meta", "img", "br")


class Markup(str):
    """A piece of HTML, made by the functions of this module."""


def join(*content: str) -> Markup:
    """Return pieces one after the other, those escaped that are not markup."""
    return Markup("".join(piece if isinstance(piece, Markup) else html.escape(piece) for piece in content))


def tag(name: str, /, *content: str, **attributes: str | None) -> Markup:
    """Return an element; in attributes' names a final `_` goes, others become `-`; one that is None is left out."""
    given = [(key.removesuffix("_").replace("_", "-"), value) for key, value in attributes.items() if value is not None]
    start = "".join(f' {key}="{html.escape(value)}"' for key, value in given)
    return Markup(f"<{name}{start}>" if name in VOID else f"<{name}{start}>{join(*content)}</{name}>")


def paragraph(*content: str) -> Markup:
    """Return a paragraph."""
    return tag("p", *content)


def code(text: str) -> Markup:
    """Return a name or a short command within a sentence."""
    return tag("code", text)


def note(*content: str) -> Markup:
    """Return what stands, small, under a plot or a table."""
    return tag("p", *content, class_="note")


def section(name: str, title: str, *content: str) -> Markup:
    """Return a section with its heading, to be linked to by its name."""
    return tag("section", tag("h2", title), *content, id=name)


def data(value: Any) -> str:
    """Return JSON that neither closes the script element around it nor opens a comment in it."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@dataclass(frozen=True)
class Cell:
    """A table's cell: its text, what to sort it by where that is not the text, and HTML to show in the text's place."""

    text: str
    key: float | str | None = None
    shown: Markup | None = None


@dataclass(frozen=True)
class Column:
    """A table's column; numbers are set to the right and sorted as numbers."""

    title: str
    number: bool = False
    explained: str | None = None


Group = tuple[str, Sequence[Sequence[Cell]]]


def table(name: str, title: str, columns: Sequence[Column], groups: Sequence[Group], *links: str) -> Markup:
    """Return a table that page.js sorts, each group in itself, and offers as CSV and LaTeX.

    Args:
        name: the element's id and the name of its downloads.
        title: what it shows, for those who do not see it.
        columns: its columns.
        groups: its rows, in groups with a heading each; an empty heading is not shown.
        links: what stands beside the links to the downloads.
    """
    head = [
        tag(
            "th",
            tag("button", column.title, type="button", title=column.explained),
            scope="col",
            aria_sort="none",
            class_="number" if column.number else None,
        )
        for column in columns
    ]
    bodies = [_body(columns, heading, rows) for heading, rows in groups]
    grid = tag("table", tag("caption", title), tag("thead", tag("tr", *head)), *bodies, id=name)
    box = tag("div", grid, class_="scroll", tabindex="0", role="region", aria_label=title)
    csv = tag("button", "CSV", type="button", class_="download", data_table=name)
    texts = [column.title for column in columns if not column.number]
    parts = [(heading, [[cell.text for cell in row] for row in rows]) for heading, rows in groups]
    tex = latex(Sheet([column.title for column in columns], texts, parts))
    return join(box, tag("p", csv, file("LaTeX", f"{name}.tex", "application/x-tex", tex), *links, class_="downloads"))


def file(text: str, name: str, kind: str, content: str) -> Markup:
    """Return a link by which a file, of a name, a media type and text, is saved."""
    data = base64.b64encode(content.encode()).decode()
    return tag("a", text, download=name, href=f"data:{kind};base64,{data}")


def _body(columns: Sequence[Column], heading: str, rows: Sequence[Sequence[Cell]]) -> Markup:
    lines = [tag("tr", *map(_cell, columns, row)) for row in rows]
    if heading:
        lines.insert(0, tag("tr", tag("th", heading, scope="rowgroup", colspan=str(len(columns))), class_="group"))
    return tag("tbody", *lines, data_group=heading)


def _cell(column: Column, cell: Cell) -> Markup:
    key = None if cell.key is None else str(cell.key)
    shown = cell.text if cell.shown is None else cell.shown
    return tag("td", shown, class_="number" if column.number else None, data_key=key)


def definitions(pairs: Iterable[tuple[str, str]]) -> Markup:
    """Return terms, each with what it stands for."""
    return tag("dl", *(join(tag("dt", term), tag("dd", meaning)) for term, meaning in pairs))


def commands(*lines: str) -> Markup:
    """Return lines to be entered in a shell."""
    return tag("pre", code("\n".join(lines)), tabindex="0")
