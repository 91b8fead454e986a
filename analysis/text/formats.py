"""Tables of texts for a terminal, Markdown and LaTeX; tables of values as CSV and Parquet; where they are written."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis.run.log import RunError

Part = tuple[str, list[list[str]]]
WRAPS = r"p{0.35\linewidth}"
LATEX = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"$\sim$", "^": r"\textasciicircum{}", "±": r"$\pm$", "×": r"$\times$"}
    | {character: f"${character}$" for character in "<>|"}
    | {character: f"{{{character}}}" for character in "[*"}  # which the \\ of the row above would take for its own
)


@dataclass(frozen=True)
class Sheet:
    """A table of texts in parts, each with a title, or none, and rows of one text for each column.

    Attributes:
        columns: their headings.
        texts: those of them that are set to the left; numbers are set to the right.
        parts: titles and rows.
        wraps: the column that takes more lines where a terminal is narrow.
    """

    columns: Sequence[str]
    texts: Sequence[str]
    parts: Sequence[Part]
    wraps: str = "configuration"

    def titled(self, title: str) -> list[str]:
        """Return a row that has nothing but a title, in the first column of texts."""
        row = [""] * len(self.columns)
        row[min(map(list(self.columns).index, self.texts))] = title
        return row


def terminal(sheet: Sheet) -> Table:
    """Return a sheet for a terminal."""
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in sheet.columns:
        shown.add_column(
            name, justify="left" if name in sheet.texts else "right", no_wrap=name != sheet.wraps, overflow="fold"
        )
    for title, rows in sheet.parts:
        shown.add_row()
        if title:
            shown.add_row(*map(Text, sheet.titled(title)), style="bold")
        for row in rows:
            shown.add_row(*map(Text, row))  # as it is: what stands in brackets would be taken for markup
    return shown


def markdown(sheet: Sheet) -> str:
    """Return a sheet as a Markdown table."""
    lines = [list(sheet.columns), ["---" if name in sheet.texts else "---:" for name in sheet.columns]]
    for title, rows in sheet.parts:
        lines += [sheet.titled(f"**{title}**")] if title else []
        lines += [[text.replace("|", r"\|") for text in row] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def latex(sheet: Sheet) -> str:
    """Return a sheet as a tabular that needs no package; it is as long as it is, and does not break over pages."""
    sides = "".join(WRAPS if name == sheet.wraps else "l" if name in sheet.texts else "r" for name in sheet.columns)
    lines = [rf"\begin{{tabular}}{{{sides}}}", r"\hline", _row(sheet.columns), r"\hline"]
    for title, rows in sheet.parts:
        if title:
            lines.append(rf"\multicolumn{{{len(sheet.columns)}}}{{l}}{{\textbf{{{title.translate(LATEX)}}}}} \\")
        lines += [_row(row) for row in rows]
    return "\n".join([*lines, r"\hline", r"\end{tabular}", ""])


def comment(text: str) -> str:
    """Return lines of text as comments of LaTeX."""
    return "".join(f"% {line}\n" for line in text.splitlines())


def csv(values: pa.Table) -> str:
    """Return a table of values with a header line; a null is empty and unquoted, a text is quoted."""
    data = io.BytesIO()
    pyarrow.csv.write_csv(values, data)
    return data.getvalue().decode()


def parquet(values: pa.Table) -> bytes:
    """Return a table of values with its types."""
    data = io.BytesIO()
    pq.write_table(values, data)
    return data.getvalue()


def write(content: str | bytes) -> None:
    """Write to the standard output.

    Raises:
        RunError: the content is bytes and the output a terminal.
    """
    if isinstance(content, str):
        sys.stdout.write(content)
        return
    if sys.stdout.isatty():
        raise RunError("parquet is not for a terminal: send it to a file, as in ... --format parquet > ranking.parquet")
    sys.stdout.buffer.write(content)
    sys.stdout.flush()


def console() -> Console:
    """Return the console to print tables on, 120 columns wide if it is no terminal and nothing else is said."""
    return Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 120)


def _row(texts: Sequence[str]) -> str:
    return " & ".join(text.translate(LATEX) for text in texts) + r" \\"
