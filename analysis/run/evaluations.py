"""What search/evaluate.py measured: the table `evaluation.parquet` of a run, and how it is shown.

One row for each trial, or "real images", judged on one split by one number of samples of one sampler:

| column | type | meaning |
| --- | --- | --- |
| trial, baseline | string | as in trials.parquet; "real images" for as many real ones of other held-out splits |
| images_seen | int64 | training images that the evaluated weights had seen |
| split, metric | string | the real images compared with, and the version of the FMD |
| samples, nfe | int64 | images generated, and network evaluations for each |
| sampler, steps, noise | string, int64, int64 | how they were generated, and from noise of which seed |
| fmd, fmd_se, fmd_normalised, fmd_corrected | double | as in trials.parquet, at this split and number of samples |
| report_fmd, report_normalised, report_scatter | double | FMD by its report's protocol, of 32 samples |
| kid, kid_se | double | kernel distance and its standard error |
| density, coverage | double | quality and variety, about 1 for real images |
| label_distance | double | total variation, 0..1, of predicted labels of generated and of real images |
| labels | list of int64 | generated images by predicted label |
| memorised_share | double | generated images nearer to a training image than 99 % of held-out ones are |
| memorised_ratio | double | median distance to the nearest training image over that of held-out images |
| inception_fid | double | null where Inception is not installed |
| loss | double | mean loss on held-out images over twenty t |
| ssim, psnr, rmse, each with _se | double | held-out images degraded to t = T and restored by the sampler |
| loss_by_t, ssim_by_t, psnr_by_t, rmse_by_t | list of double | one-step restorations at t = T/20, 2 T/20, ..., T |
| sampled_ssim_by_t | list of double | restored by the sampler from t = T/4, T/2, 3 T/4, T |
"""

import io
import json
from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from rich.table import Table

from analysis.run.log import finite
from analysis.run.run import Run

Row = dict[str, Any]
REAL = "real images"
KEY = ("trial", "split", "metric", "samples", "sampler", "steps", "noise")  # what two rows cannot share

_TEXTS = ("trial", "baseline", "split", "metric", "sampler")
_COUNTS = ("images_seen", "samples", "steps", "nfe", "noise")
_LISTS = ("loss_by_t", "ssim_by_t", "psnr_by_t", "rmse_by_t", "sampled_ssim_by_t")
_NUMBERS = (
    *("fmd", "fmd_se", "fmd_normalised", "fmd_corrected", "report_fmd", "report_normalised", "report_scatter"),
    *("kid", "kid_se", "density", "coverage", "label_distance", "memorised_share", "memorised_ratio", "inception_fid"),
    *("loss", "ssim", "ssim_se", "psnr", "psnr_se", "rmse", "rmse_se"),
)
SCHEMA = pa.schema(
    [(name, pa.string()) for name in _TEXTS]
    + [(name, pa.int64()) for name in _COUNTS]
    + [(name, pa.float64()) for name in _NUMBERS]
    + [("labels", pa.list_(pa.int64()))]
    + [(name, pa.list_(pa.float64())) for name in _LISTS]
)

MEASURES: dict[str, Callable[[Row], str]] = {
    "FMD ± s.e.": lambda row: f"{row['fmd']:.1f} ± {row['fmd_se']:.1f}",
    "  normalised": lambda row: f"{row['fmd_normalised']:.3f}",
    "  corrected": lambda row: f"{row['fmd_corrected']:.1f}",
    "report's FMD, 32 images": lambda row: f"{row['report_normalised']:.3f} ± {row['report_scatter']:.3f}",
    "KID ± s.e.": lambda row: f"{row['kid']:.4f} ± {row['kid_se']:.4f}",
    "density": lambda row: f"{row['density']:.3f}",
    "coverage": lambda row: f"{row['coverage']:.3f}",
    "labels, distance": lambda row: f"{row['label_distance']:.3f}",
    "memorised, share": lambda row: f"{row['memorised_share']:.3f}",
    "memorised, ratio": lambda row: f"{row['memorised_ratio']:.3f}",
    "Inception-FID": lambda row: f"{row['inception_fid']:.1f}",
    "restored from T: SSIM": lambda row: f"{row['ssim']:.3f} ± {row['ssim_se']:.3f}",
    "  PSNR, dB": lambda row: f"{row['psnr']:.2f} ± {row['psnr_se']:.2f}",
    "  RMSE": lambda row: f"{row['rmse']:.3f} ± {row['rmse_se']:.3f}",
    "one step: SSIM at T/20": lambda row: f"{row['ssim_by_t'][0]:.3f}",
    "  at T/2": lambda row: f"{row['ssim_by_t'][9]:.3f}",
    "  at T": lambda row: f"{row['ssim_by_t'][-1]:.3f}",
    "loss, held out": lambda row: f"{row['loss']:.5f}",
    "sampler": lambda row: row["sampler"] + f", NFE {row['nfe']}",
    "images seen": lambda row: f"{row['images_seen']:,}",
}
PER_TABLE = 4  # trials, next to the real images and the names of the measures, in 120 columns


def to_table(rows: Iterable[Row]) -> pa.Table:
    """Return rows as a table; what a row lacks, as real images lack a sampler, is null."""
    rows = list(rows)
    return pa.table([pa.array([row.get(f.name) for row in rows], f.type) for f in SCHEMA], schema=SCHEMA)


def stored(run: Run) -> pa.Table:
    """Return the rows that the run's evaluation.parquet has; none where it was never evaluated."""
    if not run.evaluation.is_file():
        return to_table([])
    return to_table(pq.read_table(run.evaluation).to_pylist())


def store(run: Run, row: Row) -> None:
    """Add a row to the run's evaluation.parquet, in place of one that has the same KEY."""

    def key(other: Row) -> tuple[Any, ...]:
        return tuple(other.get(name) for name in KEY)

    rows = {key(other): other for other in stored(run).to_pylist()} | {key(row): row}
    data = io.BytesIO()
    pq.write_table(to_table(rows.values()), data)
    run.write(run.evaluation, data.getvalue())


def as_json(table: pa.Table) -> str:
    """Return the rows as JSON; a null is left out."""
    rows = [{name: value for name, value in row.items() if value is not None} for row in table.to_pylist()]
    return json.dumps(finite(rows), indent=2) + "\n"


def as_csv(table: pa.Table) -> str:
    """Return the rows as CSV with a header line, a list as one text of values with spaces between; a null is empty."""
    for index, column in enumerate(table.schema):
        if pa.types.is_list(column.type):
            texts = [values and " ".join(map(str, values)) for values in table[column.name].to_pylist()]
            table = table.set_column(index, column.name, pa.array(texts, pa.string()))
    data = io.BytesIO()
    pyarrow.csv.write_csv(table, data)
    return data.getvalue().decode()


def show(table: pa.Table) -> list[Table]:
    """Return the rows for a terminal: a column for each, a line for each measure, the real images in every table."""
    rows = table.to_pylist()
    real = [row for row in rows if row["trial"] == REAL]
    trials = [row for row in rows if row["trial"] != REAL]
    return [_columns(real + trials[first : first + PER_TABLE]) for first in range(0, max(len(trials), 1), PER_TABLE)]


def _columns(rows: list[Row]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for row in rows:
        table.add_column(" ".join(filter(None, (row["trial"], row["baseline"]))), justify="right")
    for name, text in MEASURES.items():
        cells = [_cell(text, row) for row in rows]
        if any(cells):
            table.add_row(name, *cells)
    return table


def _cell(text: Callable[[Row], str], row: Row) -> str:
    try:
        return text(row)
    except TypeError:
        return ""  # a null, of what this row has not
