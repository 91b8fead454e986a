"""The table `evaluation.parquet` of a run: what search/evaluate.py measured.

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
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from analysis.run.run import Run

Row = dict[str, Any]
REAL = "real images"
KEY = ("trial", "split", "metric", "samples", "sampler", "steps", "noise")  # what two rows cannot share

_TEXTS = ("trial", "baseline", "split", "metric", "sampler")
_COUNTS = ("images_seen", "samples", "steps", "nfe", "noise")
_LISTS = ("loss_by_t", "ssim_by_t", "psnr_by_t", "rmse_by_t", "sampled_ssim_by_t")
_NUMBERS = [
    "fmd",
    "fmd_se",
    "fmd_normalised",
    "fmd_corrected",
    "report_fmd",
    "report_normalised",
    "report_scatter",
    "kid",
    "kid_se",
    "density",
    "coverage",
    "label_distance",
    "memorised_share",
    "memorised_ratio",
    "inception_fid",
    "loss",
    "ssim",
    "ssim_se",
    "psnr",
    "psnr_se",
    "rmse",
    "rmse_se",
]
SCHEMA = pa.schema(
    [(name, pa.string()) for name in _TEXTS]
    + [(name, pa.int64()) for name in _COUNTS]
    + [(name, pa.float64()) for name in _NUMBERS]
    + [("labels", pa.list_(pa.int64()))]
    + [(name, pa.list_(pa.float64())) for name in _LISTS]
)


def to_table(rows: Iterable[Row]) -> pa.Table:
    """Return rows as a table; a value that a row lacks, such as the sampler of real images, is null."""
    rows = list(rows)
    return pa.table([pa.array([row.get(f.name) for row in rows], f.type) for f in SCHEMA], schema=SCHEMA)


def stored(run: Run) -> pa.Table:
    """Return the rows of the run's evaluation.parquet; none if it was never evaluated."""
    if not run.evaluation.is_file():
        return to_table([])
    return to_table(pq.read_table(run.evaluation).to_pylist())


def store(run: Run, row: Row) -> None:
    """Add a row to the run's evaluation.parquet; it replaces a row with the same KEY."""

    def key(other: Row) -> tuple[Any, ...]:
        return tuple(other.get(name) for name in KEY)

    rows = {key(other): other for other in stored(run).to_pylist()}
    rows[key(row)] = row
    data = io.BytesIO()
    pq.write_table(to_table(rows.values()), data)
    run.write(run.evaluation, data.getvalue())
