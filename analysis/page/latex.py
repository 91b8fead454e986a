"""A table of the page as LaTeX: a float with a caption and the rules of booktabs, in full or for one narrow column."""

from dataclasses import replace

from analysis.text.formats import LATEX, Sheet, fitted, tabular

NARROW = 46  # characters in a column of 85 mm at \footnotesize, spaces between the table's columns included


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
