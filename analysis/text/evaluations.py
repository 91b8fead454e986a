"""Write what search/evaluate.py measured as text."""

from string import Formatter
from typing import NamedTuple

import pyarrow as pa
from rich.table import Table

from analysis.run.evaluations import REAL, Row
from analysis.text.words import column_form, with_error

# A line of the table and how its cells are written: a text, or the columns of a value and its error with their format.
# `form` is the format of the FMDs. `..._by_t` has twenty values, at t = T/20, 2 T/20, ..., T.
MEASURES: dict[str, str | tuple[str, str, str]] = {
    "FMD ± s.e.": ("fmd", "fmd_se", "{form}"),
    "  normalised": "{fmd_normalised:.3f}",
    "  corrected": "{fmd_corrected:{form}}",
    "report's FMD, 32 images": ("report_normalised", "report_scatter", ".3f"),
    "KID ± s.e.": ("kid", "kid_se", ".4f"),
    "density": "{density:.3f}",
    "coverage": "{coverage:.3f}",
    "unreadable, share": "{unreadable_share:.3f}",
    "labels, distance": "{label_distance:.3f}",
    "memorised, share": "{memorised_share:.3f}",
    "memorised, ratio": "{memorised_ratio:.3f}",
    "copied, share": "{copied_share:.3f}",
    "repeated, share": "{repeated_share:.3f}",
    "by other features: labels": "{by_labels:{form}}",
    "  rotations": "{by_rotations:{form}}",
    "Inception-FID": "{inception_fid:.1f}",
    "  768 features": "{inception_fid_768:.1f}",
    "  192 features": "{inception_fid_192:.2f}",
    "  64 features": "{inception_fid_64:.2f}",
    "restored from T: SSIM": ("ssim", "ssim_se", ".3f"),
    "  PSNR, dB": ("psnr", "psnr_se", ".2f"),
    "  RMSE": ("rmse", "rmse_se", ".3f"),
    "one step: SSIM at T/20": "{ssim_by_t[0]:.3f}",
    "  at T/2": "{ssim_by_t[9]:.3f}",
    "  at T": "{ssim_by_t[19]:.3f}",
    "loss, held out": "{loss:.5f}",
    "sampler": "{sampler}, NFE {nfe}",
    "  x0_hat clipped": "{clip}",
    "images seen": "{images_seen:,}",
}
GAP = 2  # columns of the terminal between two columns of a table


class Column(NamedTuple):
    """A column of a table: its title, and a cell for each of `MEASURES`."""

    title: str
    cells: list[str]

    @property
    def width(self) -> int:
        """The columns of the terminal that it takes, with the gap before it."""
        return GAP + max(map(len, (self.title, *self.cells)))


def terminal_tables(table: pa.Table, width: int) -> list[Table]:
    """Return the rows for a terminal of so many columns: a column for each row, a line for each measure.

    Trials for which there is no room stand in further tables; the real images are in every table.
    """
    rows = table.to_pylist()
    form = column_form(rows)
    real = [_column(row, form) for row in rows if row["trial"] == REAL]
    room = width - max(map(len, MEASURES)) - sum(column.width for column in real)
    groups: list[list[Column]] = [[]]
    for column in (_column(row, form) for row in rows if row["trial"] != REAL):
        if groups[-1] and sum(one.width for one in (*groups[-1], column)) > room:
            groups.append([])
        groups[-1].append(column)
    return [_drawn([*real, *group]) for group in groups]


def _column(row: Row, form: str) -> Column:
    title = f"{row['trial']} {row['baseline'] or ''}".strip()
    return Column(title, [_cell(measure, row, form) for measure in MEASURES.values()])


def _drawn(columns: list[Column]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(column.title, justify="right", no_wrap=True)
    for index, name in enumerate(MEASURES):
        cells = [column.cells[index] for column in columns]
        if any(cells):
            table.add_row(name, *cells)
    return table


def _cell(measure: str | tuple[str, str, str], row: Row, form: str) -> str:
    """Return the values of a row as one of `MEASURES` writes them; empty where the row lacks one of them."""
    if isinstance(measure, tuple):
        value, error, digits = measure
        return "" if row[value] is None else with_error(row[value], row[error], digits.format(form=form))
    columns = [field.partition("[")[0] for _, field, _, _ in Formatter().parse(measure) if field]
    if any(row[column] is None for column in columns):
        return ""
    return measure.format_map(row | {"form": form})
