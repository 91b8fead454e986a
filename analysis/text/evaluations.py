"""Write what search/evaluate.py measured as text."""

from string import Formatter

import pyarrow as pa
from rich.table import Table

from analysis.run.evaluations import REAL, Row
from analysis.text.words import fmd_form

# A line of the table and how its cells are written; `form` is the format of the FMDs. `..._by_t` has twenty values, at
# t = T/20, 2 T/20, ..., T.
MEASURES = {
    "FMD ± s.e.": "{fmd:{form}} ± {fmd_se:{form}}",
    "  normalised": "{fmd_normalised:.3f}",
    "  corrected": "{fmd_corrected:{form}}",
    "report's FMD, 32 images": "{report_normalised:.3f} ± {report_scatter:.3f}",
    "KID ± s.e.": "{kid:.4f} ± {kid_se:.4f}",
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
    "restored from T: SSIM": "{ssim:.3f} ± {ssim_se:.3f}",
    "  PSNR, dB": "{psnr:.2f} ± {psnr_se:.2f}",
    "  RMSE": "{rmse:.3f} ± {rmse_se:.3f}",
    "one step: SSIM at T/20": "{ssim_by_t[0]:.3f}",
    "  at T/2": "{ssim_by_t[9]:.3f}",
    "  at T": "{ssim_by_t[19]:.3f}",
    "loss, held out": "{loss:.5f}",
    "sampler": "{sampler}, NFE {nfe}",
    "  x0_hat clipped": "{clip}",
    "images seen": "{images_seen:,}",
}
PER_TABLE = 4  # trials, next to the real images and the names of the measures, in 120 columns


def terminal_tables(table: pa.Table) -> list[Table]:
    """Return the rows for a terminal: a column for each, a line for each measure, the real images in every table."""
    rows = table.to_pylist()
    real = [row for row in rows if row["trial"] == REAL]
    trials = [row for row in rows if row["trial"] != REAL]
    return [_columns(real + trials[first : first + PER_TABLE]) for first in range(0, max(len(trials), 1), PER_TABLE)]


def _columns(rows: list[Row]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for row in rows:
        table.add_column(f"{row['trial']} {row['baseline'] or ''}".strip(), justify="right")
    form = fmd_form(*min((row["fmd"], row["fmd_se"]) for row in rows))
    for name, template in MEASURES.items():
        cells = [_cell(template, row | {"form": form}) for row in rows]
        if any(cells):
            table.add_row(name, *cells)
    return table


def _cell(template: str, row: Row) -> str:
    """Return the values of a row as the template writes them; empty where the row lacks one of them."""
    columns = [field.partition("[")[0] for _, field, _, _ in Formatter().parse(template) if field]
    if any(row[column] is None for column in columns):
        return ""
    return template.format_map(row)
