"""A run's events folded into its two tables.

`trials.parquet`, one row a trial, in the order in which the trials were asked for:

| column | type | meaning |
| --- | --- | --- |
| trial | string | name, unique in the run and the name of the trial's files: `007-morph` |
| number | int64 | the trial's number in the search and in the Optuna study, from 0 |
| baseline | string | name of the configuration of the literature that it repeats, or empty |
| repeats | string | in a confirmation the search's trial whose configuration it trains again, else null |
| seed | int64 | seed of its weights, batches and noise |
| state | string | RUNNING, COMPLETE (full budget), PRUNED (stopped early) or FAIL (crashed) |
| diverged | bool | its numbers left the finite range; fmd is then the value of a blank set |
| images_seen | int64 | training images seen at its last report, the budget at which all values below hold |
| rung | int64 | index of that budget among the run's rungs, from 0 |
| fmd | double | Frechet MNIST distance, lower is better, comparable at equal images_seen only |
| fmd_normalised | double | the same with 0 = real against real images and 1 = a blank set |
| fmd_se | double | standard error of fmd |
| fmd_corrected | double | bias-corrected by halves: 2 fmd(n) - mean fmd(n/2) |
| loss | double | training loss; null where it is not finite |
| validation_loss, ssim, psnr, rmse | double | of one-step restorations of held-out images, means over ten t |
| loss_by_t, ssim_by_t | list of double | the same at each of t = T/10, 2 T/10, ..., T |
| train_seconds, sample_seconds, score_seconds, setup_seconds | double | seconds spent up to its last report |
| images_per_second | double | training speed |
| parameters | int64 | number of weights of the network |
| nfe | int64 | network evaluations for one generated image |
| started, ended | timestamp[ms, UTC] | first start and last end; ended is null while it runs |
| `schedule/kind`, ... | bool, int64, double or string | its configuration, a column a field; null where it lacks one |

From `diverged` to `nfe` a trial without a report has null.

`curves.parquet`, one row a report, by trial and images seen: `trial`, `number`, then `diverged` to `nfe` as above
except that the seconds are those since the trial's previous report, and `time` (timestamp[ms, UTC]), when it arrived.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from analysis.run.log import Event

SECONDS = ("train_seconds", "sample_seconds", "score_seconds", "setup_seconds")

_WHEN = pa.timestamp("ms", tz="UTC")
_IDENTITY = [("trial", pa.string()), ("number", pa.int64())]
_REPORT = [
    ("diverged", pa.bool_()),
    ("images_seen", pa.int64()),
    ("rung", pa.int64()),
    ("fmd", pa.float64()),
    ("fmd_normalised", pa.float64()),
    ("fmd_se", pa.float64()),
    ("fmd_corrected", pa.float64()),
    ("loss", pa.float64()),
    *((name, pa.float64()) for name in ("validation_loss", "ssim", "psnr", "rmse")),
    *((name, pa.list_(pa.float64())) for name in ("loss_by_t", "ssim_by_t")),
    *((name, pa.float64()) for name in SECONDS),
    ("images_per_second", pa.float64()),
    ("parameters", pa.int64()),
    ("nfe", pa.int64()),
]
_STATE = [("baseline", pa.string()), ("repeats", pa.string()), ("seed", pa.int64()), ("state", pa.string())]
TRIALS = pa.schema([*_IDENTITY, *_STATE, *_REPORT, ("started", _WHEN), ("ended", _WHEN)])
CURVES = pa.schema([*_IDENTITY, *_REPORT, ("time", _WHEN)])


def fields(trials: pa.Table) -> list[str]:
    """Return the names of the configuration's columns in a table of trials."""
    return [name for name in trials.column_names if name not in TRIALS.names]


class Fold:
    """A run's state after the events so far; adding one costs the same however many there were.

    Events may come in any order and, after a resume, twice: the first start and the first report at each images_seen
    count, and the last end.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._rows: dict[str, dict[str, Any]] = {}
        self._variants: dict[str, dict[str, Any]] = {}
        self._reported: set[tuple[str, int]] = set()

    def add(self, event: Event) -> bool:
        """Take one event in and return whether it counts; only a report that was there already does not."""
        name = event["trial"]
        row = self._rows.setdefault(name, {"trial": name, "state": "RUNNING"})
        if event["event"] == "start":
            self._start(row, event)
        elif event["event"] == "end":
            row |= {"state": event["state"], "ended": _milliseconds(event["time"])}
        elif (name, event["images_seen"]) in self._reported:
            return False
        else:
            self._report(row, event)
        self.events.append(event)
        return True

    def _start(self, row: dict[str, Any], event: Event) -> None:
        if "started" not in row:
            row |= {name: event[name] for name in ("number", "baseline", "seed")}
            row["repeats"] = event.get("repeats")
            row["started"] = _milliseconds(event["time"])
            self._variants[event["trial"]] = event["variant"]

    def _report(self, row: dict[str, Any], event: Event) -> None:
        self._reported.add((event["trial"], event["images_seen"]))
        spent = {name: row.get(name, 0.0) + event.get(name, 0.0) for name in SECONDS}
        if event["images_seen"] > row.get("images_seen", -1):
            row |= {name: event.get(name) for name, _ in _REPORT}
        row |= spent

    def trials(self) -> pa.Table:
        """Return the table of trials, see the module's docstring."""
        rows = sorted(self._rows.values(), key=_by_number)
        variants = [self._variants.get(row["trial"], {}) for row in rows]
        table = _table(rows, TRIALS)
        for name in dict.fromkeys(name for variant in variants for name in variant):
            table = table.append_column(name, _column([variant.get(name) for variant in variants]))
        return table

    def curves(self) -> pa.Table:
        """Return the table of reports, see the module's docstring."""
        reports = (event for event in self.events if event["event"] == "report")
        numbers = {name: row.get("number") for name, row in self._rows.items()}
        rows = [e | {"number": numbers[e["trial"]], "time": _milliseconds(e["time"])} for e in reports]
        return _table(sorted(rows, key=lambda row: (_by_number(row), row["images_seen"])), CURVES)


def _milliseconds(seconds: float) -> int:
    return round(1000 * seconds)


def _by_number(row: dict[str, Any]) -> tuple[float, str]:
    number = row.get("number")
    return (float("inf") if number is None else number, row["trial"])


def _table(rows: Iterable[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    rows = list(rows)
    return pa.table({f.name: pa.array([row.get(f.name) for row in rows], f.type) for f in schema}, schema=schema)


def _column(values: Sequence[Any]) -> pa.Array:
    """Return a column of the one type that holds all values; text where there is no such type."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    if kinds == {int}:
        return pa.array(values, pa.int64())
    if kinds and kinds <= {int, float}:
        return pa.array(values, pa.float64())
    return pa.array([None if value is None else str(value) for value in values], pa.string())
