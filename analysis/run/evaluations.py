"""The table `evaluation.parquet` of a run: what search/evaluate.py measured; docs/run-format.md is made from here.

One row for each trial, or "real images", on one split with one number of samples of one sampler.
"""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from analysis.run.run import Run, RunError
from analysis.run.tables import CHECK_COLUMNS, COUNT, COUNTS, FLAG, NUMBER, NUMBERS, TEXT, Column, schema

Row = dict[str, Any]
REAL = "real images"
KEY = ("trial", "split", "metric", "samples", "sampler", "steps", "clip", "noise")  # what two rows cannot share

EVALUATION_COLUMNS = (
    Column("trial", TEXT, 'name of the trial, or "real images" for as many real images of other held-out splits'),
    Column("baseline", TEXT, "name of the literature's configuration that it repeats, or empty"),
    Column("split", TEXT, "the real images compared with: test, confirm or search"),
    Column("metric", TEXT, "version of the FMD"),
    Column("sampler", TEXT, "kind of the sampler"),
    Column("images_seen", COUNT, "training images that the evaluated weights had seen"),
    Column("samples", COUNT, "images generated"),
    Column("steps", COUNT, "steps of the sampler"),
    Column("clip", FLAG, "whether the sampler kept its estimates of x0 to the pixel range"),
    Column("nfe", COUNT, "network evaluations for one generated image"),
    Column("noise", COUNT, "seed of the noise that samples start from"),
    Column("fmd", NUMBER, "FMD on this split with this number of samples"),
    Column("fmd_se", NUMBER, "standard error of fmd"),
    Column("fmd_normalised", NUMBER, "the same with 0 = real against real images and 1 = black images"),
    Column("fmd_corrected", NUMBER, "bias-corrected by halves: 2 fmd(n) - mean fmd(n/2)"),
    Column("report_fmd", NUMBER, "FMD by the protocol of its report, of 32 samples"),
    Column("report_normalised", NUMBER, "the same on that report's scale: 0 = real, 1 = black images"),
    Column("report_scatter", NUMBER, "standard deviation of report_normalised over batches of 32 samples"),
    Column("kid", NUMBER, "kernel distance, 0 on average for real images"),
    Column("kid_se", NUMBER, "standard error of kid"),
    *CHECK_COLUMNS,
    Column(
        "inception_fid",
        NUMBER,
        "FID by 2,048 features of Inception, of at most 1,000 samples; null where Inception is not installed",
    ),
    *(
        Column(f"inception_fid_{count}", NUMBER, f"the same by {count} features of an earlier layer")
        for count in (64, 192, 768)
    ),
    Column(
        "restored", COUNT, "held-out images that the following columns are measured on; null for 256 of old versions"
    ),
    Column("loss", NUMBER, "mean loss on held-out images over t = T/20, 2 T/20, ..., T"),
    Column("ssim", NUMBER, "SSIM of held-out images that were degraded to t = T and restored by the sampler"),
    Column("ssim_se", NUMBER, "standard error of ssim"),
    Column("psnr", NUMBER, "PSNR of the same images, dB"),
    Column("psnr_se", NUMBER, "standard error of psnr"),
    Column("rmse", NUMBER, "RMSE of the same images"),
    Column("rmse_se", NUMBER, "standard error of rmse"),
    Column("labels", COUNTS, "samples by predicted label"),
    Column("loss_by_t", NUMBERS, "loss at each of t = T/20, 2 T/20, ..., T"),
    Column("ssim_by_t", NUMBERS, "SSIM of one-step restorations from each of these t"),
    Column("psnr_by_t", NUMBERS, "PSNR of the same restorations, dB"),
    Column("rmse_by_t", NUMBERS, "RMSE of the same restorations"),
    Column("sampled_ssim_by_t", NUMBERS, "SSIM of images restored by the sampler from t = T/4, T/2, 3 T/4, T"),
)
SCHEMA = schema(EVALUATION_COLUMNS)


def to_table(rows: Iterable[Row]) -> pa.Table:
    """Return rows as a table; a value that a row lacks, such as the sampler of real images, is null."""
    return pa.Table.from_pylist(list(rows), schema=SCHEMA)


def stored(run: Run) -> pa.Table:
    """Return the rows of the run's evaluation.parquet; none if it was never evaluated.

    Raises:
        RunError: the file is damaged, or not of these columns.
    """
    if not run.evaluation.is_file():
        return to_table([])
    try:
        return to_table(_of_today(row) for row in pq.read_table(run.evaluation).to_pylist())
    except (pa.ArrowException, OSError, LookupError, ValueError, TypeError, OverflowError) as error:
        reason = next(iter(str(error).splitlines()), "no reason is known")
        right = "bring it back from a copy, or move it away and evaluate again"
        raise RunError(f"{run.evaluation} is damaged ({reason}): {right}") from None


def _of_today(row: Row) -> Row:
    """Return a row with the column that older versions lack, whose samplers always clipped."""
    return row if "clip" in row or row["sampler"] is None else {**row, "clip": True}


def store(run: Run, row: Row) -> None:
    """Add a row to the run's evaluation.parquet; it replaces a row with the same KEY."""

    def key(other: Row) -> tuple[Any, ...]:
        return tuple(other.get(name) for name in KEY)

    rows = {key(other): other for other in stored(run).to_pylist()}
    rows[key(row)] = row
    run.write_table(run.evaluation, to_table(rows.values()))
