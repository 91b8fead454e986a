"""A run's events folded into its tables; docs/run-format.md is made from the columns here."""

import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import pyarrow as pa

from analysis.run.events import End, Event, Start
from trainables.report import Report

TEXT, FLAG, COUNT, NUMBER = pa.string(), pa.bool_(), pa.int64(), pa.float64()
COUNTS, NUMBERS = pa.list_(COUNT), pa.list_(NUMBER)
TIME = pa.timestamp("ms", tz="UTC")


class Column(NamedTuple):
    """A column of a table: its name, its type, what it means."""

    name: str
    type: pa.DataType
    meaning: str


# Of n samples, in the order of `trainables.report.CHECKS`: a report of a confirmation has them, and an evaluation.
CHECK_COLUMNS = (
    Column("unreadable_share", NUMBER, "share of samples the classifier is not sure of; null where it cannot tell"),
    Column(
        "label_distance",
        NUMBER,
        "total variation, 0 to 1, of predicted labels of samples and of real images; null without labels",
    ),
    Column("density", NUMBER, "quality, 1 on average for real images"),
    Column("coverage", NUMBER, "variety, 0 to 1: share of real images with a sample near them"),
    Column("memorised_share", NUMBER, "share of samples nearer to a training image than 99 % of held-out images are"),
    Column("memorised_ratio", NUMBER, "median distance to the nearest training image over that of held-out images"),
    Column(
        "copied_share",
        NUMBER,
        "share of samples whose nearest training image is at less than a third of the distance of the tenth nearest",
    ),
    Column("repeated_share", NUMBER, "share of samples nearer to another sample than 99 % of real images to another"),
    Column("by_labels", NUMBER, "Frechet distance on 96 features of a residual network that learned the labels"),
    Column("by_rotations", NUMBER, "the same of one that learned how an image is turned"),
)


def schema(columns: Sequence[Column]) -> pa.Schema:
    """Return the schema of a table of these columns."""
    return pa.schema([(column.name, column.type) for column in columns])


SECONDS = ("train_seconds", "sample_seconds", "score_seconds", "setup_seconds")

_IDENTITY = (
    Column("trial", TEXT, "name, unique in the run and the name of the trial's files, such as 007-morph"),
    Column("number", COUNT, "number in the search and in the Optuna study, from 0"),
)
_STATE = (
    Column("baseline", TEXT, "name of the literature's configuration that it repeats, or empty"),
    Column("repeats", TEXT, "in a confirmation, the search's trial whose configuration it trains again, else null"),
    Column("seed", COUNT, "seed of its weights, batches and noise"),
    Column("state", TEXT, "RUNNING, PAUSED (waits at a rung), PRUNED (stopped early), COMPLETE or FAILED"),
)
_REPORT = (
    Column("diverged", FLAG, "loss, weights or samples were not finite; fmd is the value of black images"),
    Column("images_seen", COUNT, "training images seen at its last report; all values below hold there"),
    Column("rung", COUNT, "index of that budget among the run's rungs, from 0"),
    Column("fmd", NUMBER, "Frechet MNIST distance, lower is better, comparable at equal images_seen only"),
    Column("fmd_normalised", NUMBER, "the same with 0 = real against real images and 1 = black images"),
    Column("fmd_se", NUMBER, "standard error of fmd"),
    Column("fmd_corrected", NUMBER, "bias-corrected by halves: 2 fmd(n) - mean fmd(n/2)"),
    Column("loss", NUMBER, "training loss; null where it is not finite"),
    Column("validation_loss", NUMBER, "loss of one-step restorations of held-out images, mean over ten t"),
    Column("ssim", NUMBER, "SSIM of the same restorations"),
    Column("psnr", NUMBER, "PSNR of the same restorations, dB"),
    Column("rmse", NUMBER, "RMSE of the same restorations"),
    Column("loss_by_t", NUMBERS, "validation_loss at each of t = T/10, 2 T/10, ..., T"),
    Column("ssim_by_t", NUMBERS, "ssim at each of t = T/10, 2 T/10, ..., T"),
    Column("train_seconds", NUMBER, "seconds of training up to its last report"),
    Column("sample_seconds", NUMBER, "seconds of sampling up to its last report"),
    Column("score_seconds", NUMBER, "seconds of scoring up to its last report"),
    Column("setup_seconds", NUMBER, "seconds of everything else in its process up to its last report"),
    Column("images_per_second", NUMBER, "training speed"),
    Column("parameters", COUNT, "weights of the network"),
    Column("nfe", COUNT, "network evaluations for one generated image"),
    Column("draws", COUNT, "sets of samples, each scored alone, whose mean score is reported"),
    *CHECK_COLUMNS,
    Column("tried_guidance", NUMBERS, "guidance tried after training, the search's first; of them the best was chosen"),
    Column("tried_fmd", NUMBERS, "FMD with each of these, by images of the search"),
    Column("labels", COUNTS, "samples by predicted label"),
)
_TIMES = (
    Column("started", TIME, "when it first started"),
    Column("ended", TIME, "when it ended for good, null until then"),
)
TRIAL_COLUMNS = (*_IDENTITY, *_STATE, *_REPORT, *_TIMES)
CURVE_COLUMNS = (*_IDENTITY, *_REPORT, Column("time", TIME, "when the report arrived"))
TRAINING_COLUMNS = (
    *_IDENTITY,
    Column("images_seen", COUNT, "training images seen"),
    Column("rung", COUNT, "index of the rung that images_seen is, null between rungs"),
    Column("train_seconds", NUMBER, "seconds of training up to there; between two rungs at an even pace"),
    Column("loss", NUMBER, "training loss, mean per image since the row before that has one; about every 50 steps"),
    Column("validation_loss", NUMBER, "as in trials.parquet, at rungs and every --report-every images"),
    Column("fmd", NUMBER, "as in trials.parquet, at rungs and every --report-every images"),
)
TRIALS = schema(TRIAL_COLUMNS)
CURVES = schema(CURVE_COLUMNS)
TRAINING = schema(TRAINING_COLUMNS)


def fields(trials: pa.Table) -> list[str]:
    """Return the names of the configuration's columns in a table of trials."""
    return [name for name in trials.column_names if name not in TRIALS.names]


class Fold:
    """A run's state after the events so far; adding one costs the same however many there were.

    The first start of a trial tells its configuration; its last start or end tells its state. Of reports at the same
    images_seen the first counts: a trial that is restarted repeats its last one.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._rows: dict[str, dict[str, Any]] = {}
        self._variants: dict[str, dict[str, Any]] = {}
        self._reported: set[tuple[str, int]] = set()

    def add(self, event: Event) -> bool:
        """Take one event in and return whether it counts; only a repeated report does not."""
        for table in ("trials", "curves", "training"):  # they are made anew when they are asked for
            vars(self).pop(table, None)
        row = self._rows.setdefault(event.trial, {"trial": event.trial, "state": "RUNNING"})
        if isinstance(event, Start):
            self._start(row, event)
        elif isinstance(event, End):
            row["state"] = event.state
            row["ended"] = None if event.state == "PAUSED" else _milliseconds(event.time)
        elif (event.trial, event.images_seen) in self._reported:
            return False
        else:
            self._report(row, event)
        self.events.append(event)
        return True

    def _start(self, row: dict[str, Any], event: Start) -> None:
        if row["state"] == "PAUSED":
            row["state"] = "RUNNING"
        if "started" not in row:
            row.update(number=event.number, baseline=event.baseline, seed=event.seed, repeats=event.repeats)
            row["started"] = _milliseconds(event.time)
            self._variants[event.trial] = dict(event.variant)

    def _report(self, row: dict[str, Any], event: Report) -> None:
        self._reported.add((event.trial, event.images_seen))
        self._variants.setdefault(event.trial, {}).update(event.chosen)
        spent = {name: row.get(name, 0.0) + getattr(event, name) for name in SECONDS}
        if event.images_seen > row.get("images_seen", -1):
            row.update({column.name: getattr(event, column.name) for column in _REPORT})
        row.update(spent)

    def reports(self) -> dict[str, list[Report]]:
        """Return the reports of each trial that has any, by its name, in the order of their events."""
        reports: dict[str, list[Report]] = {}
        for event in self.events:
            if isinstance(event, Report):
                reports.setdefault(event.trial, []).append(event)
        return reports

    @cached_property
    def trials(self) -> pa.Table:
        """The table of trials, in the order of their numbers; before a first report its columns are null."""
        rows = sorted(self._rows.values(), key=_by_number)
        variants = [self._variants.get(row["trial"], {}) for row in rows]
        table = _table(rows, TRIALS)
        for name in dict.fromkeys(name for variant in variants for name in variant):
            table = table.append_column(name, _column([variant.get(name) for variant in variants]))
        return table

    @cached_property
    def curves(self) -> pa.Table:
        """The table of reports, by trial and images seen; its seconds are those since the previous report."""
        reports = [event for event in self.events if isinstance(event, Report)]
        numbers = {name: row.get("number") for name, row in self._rows.items()}
        rows = [vars(one) | {"number": numbers[one.trial], "time": _milliseconds(one.time)} for one in reports]
        return _table(sorted(rows, key=lambda row: (_by_number(row), row["images_seen"])), CURVES)

    @cached_property
    def training(self) -> pa.Table:
        """The table of training curves, by trial and images seen."""
        rows = [
            {"trial": name, "number": self._rows[name].get("number"), **point}
            for name, of_trial in self.reports().items()
            for point in training_curve(sorted(of_trial, key=lambda report: report.images_seen))
        ]
        return _table(sorted(rows, key=lambda row: (_by_number(row), row["images_seen"])), TRAINING)


def training_curve(reports: Sequence[Report]) -> list[dict[str, Any]]:
    """Return the points of a trial's curve, as dicts without its name, from its reports by images seen.

    Reports of older versions have no losses but their own, the mean since the report before.
    """
    points: list[dict[str, Any]] = []
    begin, seconds = 0, 0.0
    for report in reports:
        end, spent = report.images_seen, report.train_seconds if math.isfinite(report.train_seconds) else 0.0
        at: dict[int, dict[str, Any]] = {images: {} for images in (*report.losses_at, *report.between_at, end)}
        for images, loss in zip(report.losses_at or (end,), report.losses or (report.loss,), strict=True):
            at[images]["loss"] = loss
        scores = zip(report.between_at, report.between_fmd, report.between_validation_loss, strict=True)
        for images, fmd, held_out in scores:
            at[images] |= {"fmd": fmd, "validation_loss": held_out}
        at[end] |= {"fmd": report.fmd, "validation_loss": report.validation_loss, "rung": report.rung}
        for images in sorted(at):
            share = (images - begin) / (end - begin) if end > begin else 1.0
            points.append({"images_seen": images, "train_seconds": seconds + share * spent, **at[images]})
        begin, seconds = end, seconds + spent
    return points


def _milliseconds(seconds: float) -> int:
    return round(1000 * seconds)


def _by_number(row: dict[str, Any]) -> tuple[float, str]:
    number = row.get("number")
    return (float("inf") if number is None else number, row["trial"])


def _table(rows: Iterable[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Return rows as a table; what a row lacks is null, and so is a number that is not finite."""
    known = [
        {name: value for name, value in row.items() if not isinstance(value, float) or math.isfinite(value)}
        for row in rows
    ]
    return pa.Table.from_pylist(known, schema=schema)


def _column(values: Sequence[Any]) -> pa.Array:
    """Return a column of the one type that holds all values; text where there is no such type."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool} or (kinds and kinds <= {int, float}):
        return pa.array(values)
    return pa.array([None if value is None else str(value) for value in values], pa.string())
