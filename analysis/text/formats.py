"""Write tables: of texts for a terminal, as Markdown and as LaTeX; of values as CSV, Parquet and JSON."""

import io
import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis.run.events import finite
from analysis.run.log import RunError
from analysis.text.words import printable

Part = tuple[str, list[list[str]]]
FORMULA = "=+-@\t\r"  # what a formula begins with
WRAPPED = r"p{0.35\linewidth}"
GAP = 2  # characters between two columns of a terminal
WRAPPED_LEAST = 20  # characters of a column that wraps
LATEX = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"$\sim$",
        "^": r"\textasciicircum{}",
        "±": r"$\pm$",
        "×": r"$\times$",
        "≈": r"$\approx$",
        **{character: f"${character}$" for character in "<>|"},
        **{character: f"{{{character}}}" for character in "[*"},  # which \\ of the row above would take as its argument
    }
)


@dataclass(frozen=True)
class Sheet:
    """A table of texts in parts, each with a title, which may be empty, and rows of one text for each column.

    Attributes:
        texts: the columns that are set to the left; numbers are set to the right.
        wraps: the columns that take more lines where a terminal is narrow.
        title: a short heading of the table, or empty.
        drops: the columns that a narrow terminal leaves out, the first one first.
    """

    columns: Sequence[str]
    texts: Sequence[str]
    parts: Sequence[Part]
    wraps: Sequence[str] = ("configuration",)
    title: str = ""
    drops: Sequence[str] = ()

    def without(self, name: str) -> "Sheet":
        """Return the sheet without a column."""
        place = self.columns.index(name)
        parts = [(title, [[*row[:place], *row[place + 1 :]] for row in rows]) for title, rows in self.parts]
        return replace(self, columns=[*self.columns[:place], *self.columns[place + 1 :]], parts=parts)

    def width(self, name: str) -> int:
        """Return the characters that a column takes on one line."""
        place = self.columns.index(name)
        return max([len(name), *(len(row[place]) for _, rows in self.parts for row in rows)])

    def title_row(self, title: str) -> list[str]:
        """Return a row with a part's title in the first column of texts and nothing else."""
        first = next(place for place, name in enumerate(self.columns) if name in self.texts)
        row = [""] * len(self.columns)
        row[first] = title
        return row


@dataclass(frozen=True)
class Terms:
    """Terms, each with its text, under a title."""

    title: str
    rows: Sequence[tuple[str, str]]


Block = str | Sheet | Terms  # a document is a sequence of paragraphs, tables and terms


def print_blocks(blocks: Iterable[Block], console: Console) -> None:
    """Print paragraphs and tables on a terminal, an empty line after each."""
    for block in blocks:
        if isinstance(block, str):
            console.print(printable(block), markup=False, highlight=False)
        else:
            if block.title:
                console.print(printable(block.title), style="bold", markup=False, highlight=False)
            console.print(_listed(block) if isinstance(block, Terms) else terminal(block, console.width))
        console.print()


def _listed(terms: Terms) -> Table:
    """Return terms for a terminal, their texts beside them."""
    shown = Table(box=None, padding=(0, GAP, 0, 0), show_header=False)
    shown.add_column(no_wrap=True)
    shown.add_column(overflow="fold")
    for row in terms.rows:
        shown.add_row(*map(_shown, row))
    return shown


def terminal(sheet: Sheet, width: int) -> Table:
    """Return a sheet for a terminal of so many columns; what has no room is left out or wrapped, and no number cut."""
    sheet = fitted(sheet, width)
    roomy = _least_width(sheet) <= width
    shown = Table(box=None, padding=(0, GAP, 0, 0), header_style="dim")
    for name in sheet.columns:
        if name in sheet.texts:
            shown.add_column(name, justify="left", no_wrap=roomy and name not in sheet.wraps, overflow="fold")
        else:
            shown.add_column(name, justify="right", no_wrap=True, min_width=sheet.width(name))
    for title, rows in sheet.parts:
        shown.add_row()
        if title:
            shown.add_row(*map(_shown, sheet.title_row(title)), style="bold")
        for row in rows:
            shown.add_row(*map(_shown, row))
    return shown


def fitted(sheet: Sheet, width: int) -> Sheet:
    """Return a sheet without the columns of `drops` for which a terminal of so many columns has no room."""
    for name in sheet.drops:
        if _least_width(sheet) <= width:
            break
        if name in sheet.columns:
            sheet = sheet.without(name)
    return sheet


def _least_width(sheet: Sheet) -> int:
    widths = [(sheet.width(name), name in sheet.wraps) for name in sheet.columns]
    return sum(GAP + (min(width, WRAPPED_LEAST) if wraps else width) for width, wraps in widths)


def markdown(sheet: Sheet) -> str:
    """Return a sheet as a Markdown table."""
    lines = [list(sheet.columns), ["---" if name in sheet.texts else "---:" for name in sheet.columns]]
    for title, rows in sheet.parts:
        if title:
            lines.append(sheet.title_row(f"**{title}**"))
        lines += [[text.replace("|", r"\|") for text in row] for row in rows]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return f"**{sheet.title}**\n\n{table}" if sheet.title else table


def latex(sheet: Sheet) -> str:
    """Return a sheet as a tabular that needs no package and does not break over pages."""
    return comment(sheet.title) + "\n".join([*tabular(sheet, (r"\hline", r"\hline", r"\hline")), ""])


def tabular(sheet: Sheet, rules: tuple[str, str, str], between: Sequence[str] = ()) -> list[str]:
    """Return the lines of a tabular with `rules` above its head, below it and at the end.

    The lines `between` stand before each part that has a title, but for the first.
    """
    top, middle, bottom = rules
    sides = "".join(WRAPPED if name in sheet.wraps else "l" if name in sheet.texts else "r" for name in sheet.columns)
    lines = [rf"\begin{{tabular}}{{{sides}}}", top, _latex_row(sheet.columns), middle]
    for place, (title, rows) in enumerate(sheet.parts):
        if title:
            lines += between if place else ()
            lines.append(rf"\multicolumn{{{len(sheet.columns)}}}{{l}}{{\textbf{{{title.translate(LATEX)}}}}} \\")
        lines += [_latex_row(row) for row in rows]
    return [*lines, bottom, r"\end{tabular}"]


def comment(text: str) -> str:
    """Return lines of text as comments of LaTeX."""
    return "".join(f"% {line}\n" for line in text.splitlines())


def csv(values: pa.Table) -> str:
    """Return a table of values as CSV with a header line.

    A null is empty and unquoted, a text is quoted, a list is one text of its values with spaces between. Before a text
    that a spreadsheet would take for a formula there is an apostrophe.
    """
    for index, column in enumerate(values.schema):
        texts = None
        if pa.types.is_list(column.type):
            texts = [items and " ".join(map(str, items)) for items in values[column.name].to_pylist()]
        elif pa.types.is_string(column.type):
            texts = [_plain(text) for text in values[column.name].to_pylist()]
        if texts is not None:
            values = values.set_column(index, column.name, pa.array(texts, pa.string()))
    values = values.rename_columns([str(_plain(name)) for name in values.column_names])
    data = io.BytesIO()
    pyarrow.csv.write_csv(values, data)
    return data.getvalue().decode()


def output() -> Console:
    """Return the standard output, 120 columns wide unless a terminal or COLUMNS says otherwise."""
    return Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 120)


def write_blocks(blocks: Iterable[Block], form: str) -> None:
    """Write paragraphs, tables and terms to the standard output, as "table", "markdown" or "latex".

    LaTeX has all but the tables as comments.
    """
    if form == "markdown":
        sys.stdout.write(printable("\n".join(map(_markdown, blocks))))
    elif form == "latex":
        sys.stdout.write(printable("".join(map(_latex, blocks))))
    else:
        print_blocks(blocks, output())


def write_values(values: pa.Table, form: str) -> None:
    """Write a table of values to the standard output, as "csv" or "parquet".

    Raises:
        RunError: Parquet for a terminal.
    """
    if form == "csv":
        sys.stdout.write(csv(values))
        return
    if sys.stdout.isatty():
        raise RunError("parquet is not for a terminal: send it to a file, as in ... --format parquet > ranking.parquet")
    pq.write_table(values, sys.stdout.buffer)
    sys.stdout.flush()


def write_json(content: Any) -> None:
    """Write plain values to the standard output as JSON; a float that is not finite becomes null."""
    sys.stdout.write(json.dumps(finite(content), indent=2) + "\n")


def rows_without_nulls(values: pa.Table) -> list[dict[str, Any]]:
    """Return the rows of a table of values; a null is left out."""
    return [{name: value for name, value in row.items() if value is not None} for row in values.to_pylist()]


def _markdown(block: Block) -> str:
    if isinstance(block, Terms):
        lines = [f"- **{term}**: {text}\n" for term, text in block.rows]
        return "".join([f"**{block.title}**\n\n", *lines])
    return f"{block}\n" if isinstance(block, str) else markdown(block)


def _latex(block: Block) -> str:
    if isinstance(block, Terms):
        return comment("\n".join([block.title, *(f"{term}: {text}" for term, text in block.rows)]))
    return comment(block) if isinstance(block, str) else latex(block)


def _shown(text: str) -> Text:
    return Text(printable(text))  # Text, as rich would take words in brackets for markup


def _plain(text: str | None) -> str | None:
    """Return a text that no spreadsheet takes for a formula: such a one gets an apostrophe before it."""
    return f"'{text}" if text and text[0] in FORMULA else text


def _latex_row(texts: Sequence[str]) -> str:
    return " & ".join(text.translate(LATEX) for text in texts) + r" \\"
