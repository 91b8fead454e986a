"""A table of the page as LaTeX: a float with a caption and the rules of booktabs, in full or for one narrow column."""

from collections.abc import Sequence

from analysis.text.formats import LATEX, WRAPPED, Sheet, fitted

NARROW = 46  # characters in a column of 85 mm at \footnotesize, spaces between the table's columns included


def table(sheet: Sheet) -> str:
    """Return a sheet with a title as LaTeX that needs the package booktabs."""
    sides = "".join(WRAPPED if name in sheet.wraps else "l" if name in sheet.texts else "r" for name in sheet.columns)
    lines = [rf"\begin{{tabular}}{{{sides}}}", r"\toprule", _row(sheet.columns), r"\midrule"]
    for place, (title, rows) in enumerate(sheet.parts):
        if title:
            lines += [r"\addlinespace"] if place else []
            lines.append(rf"\multicolumn{{{len(sheet.columns)}}}{{l}}{{\textbf{{{title.translate(LATEX)}}}}} \\")
        lines += [_row(row) for row in rows]
    lines += [r"\bottomrule", r"\end{tabular}"]
    head = ["% needs \\usepackage{booktabs}", r"\begin{table}", r"\centering\footnotesize"]
    caption = rf"\caption{{{sheet.title.translate(LATEX)}}}"
    return "\n".join([*head, caption, *lines, r"\end{table}", ""])


def narrow(sheet: Sheet) -> Sheet:
    """Return a sheet with the columns for which `NARROW` characters are enough: the first texts and numbers.

    Of the texts only the first column stays, then columns of numbers are left out from the right.
    """
    first = next(name for name in sheet.columns if name in sheet.texts) if sheet.texts else sheet.columns[0]
    texts = [name for name in sheet.columns if name in sheet.texts and name != first]
    numbers = [name for name in reversed(sheet.columns) if name not in sheet.texts and name != first]
    found = Sheet(sheet.columns, sheet.texts, sheet.parts, wraps=(), title=sheet.title)
    for name in texts:
        found = found.without(name)
    return fitted(Sheet(found.columns, found.texts, found.parts, (), found.title, drops=numbers), NARROW)


def _row(texts: Sequence[str]) -> str:
    return " & ".join(text.translate(LATEX) for text in texts) + r" \\"
