"""What a trial's FMD was after given seconds of training, between its reports, and which seconds compare trials."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, groupby
from operator import itemgetter
from typing import Any

Row = Mapping[str, Any]

MEASURED, INTERPOLATED, ENDED = "measured", "interpolated", "ended"


@dataclass(frozen=True)
class Reading:
    """A trial's FMD after `seconds` of training.

    Attributes:
        kind: MEASURED by a report; INTERPOLATED between two reports; or ENDED, the last report of a training that ended
            by itself before, which more seconds would not change.
        images_seen: by then, in proportion to the seconds between two reports.
    """

    kind: str
    seconds: float
    images_seen: float
    fmd: float
    fmd_se: float | None


@dataclass(frozen=True)
class Curve:
    """A trial's reports after some training, as readings by ascending seconds.

    Attributes:
        ended: whether its training ended by itself, because the validation loss no longer fell.
    """

    reports: tuple[Reading, ...]
    ended: bool = False

    def at(self, seconds: float) -> Reading | None:
        """Return the reading after some seconds of training; None before the first report and after the last.

        Between two reports log FMD is linear in log seconds, and so is the logarithm of its standard error.
        """
        passed = bisect_right(self.reports, seconds, key=lambda report: report.seconds)
        if not passed:
            return None
        before = self.reports[passed - 1]
        if before.seconds == seconds:
            return before
        if passed < len(self.reports):
            return _between(before, self.reports[passed], seconds)
        return replace(before, kind=ENDED) if self.ended else None

    def highest(self, levels: Sequence[float]) -> tuple[float, Reading] | None:
        """Return the last of the ascending `levels` at which there is a reading, with the reading."""
        found = ((level, self.at(level)) for level in reversed(levels))
        return next(((level, reading) for level, reading in found if reading is not None), None)


def curves_of(reports: Iterable[Row], patient: Iterable[str] = ()) -> dict[str, Curve]:
    """Return the curve of each trial from rows of `Run.curves`, whose seconds are those since the previous report.

    `patient` are the trials whose training may end by itself.
    """
    patient, curves = set(patient), {}
    for trial, group in groupby(reports, key=itemgetter("trial")):
        rows = list(group)
        spent = accumulate(row["train_seconds"] or 0.0 for row in rows)
        readings = tuple(
            Reading(MEASURED, seconds, row["images_seen"], row["fmd"], row["fmd_se"])
            for seconds, row in zip(spent, rows, strict=True)
            if seconds > 0
        )
        if readings:
            curves[trial] = Curve(readings, trial in patient and _ended(rows))
    return curves


def _ended(rows: Sequence[Row]) -> bool:
    """Return whether a trial trained less before its last report than the images that this report counts."""
    last, before = rows[-1], rows[-2]["images_seen"] if len(rows) > 1 else 0
    trained = (last["images_per_second"] or 0.0) * (last["train_seconds"] or 0.0)
    return bool(trained < 0.99 * (last["images_seen"] - before))


def levels_of(curves: Iterable[Curve]) -> list[float]:
    """Return the training seconds at which trials are compared, ascending: of each rung, those of the fastest there.

    So every trial that has passed a rung has trained for the seconds of its level. A training that ended by itself
    passes later rungs in no time and makes no level, unless all did.
    """
    curves = list(curves)
    trained = [curve for curve in curves if not curve.ended] or curves
    fastest: dict[float, float] = {}
    for report in (report for curve in trained for report in curve.reports):
        fastest[report.images_seen] = min(report.seconds, fastest.get(report.images_seen, report.seconds))
    return sorted(set(fastest.values()))


def _between(a: Reading, b: Reading, seconds: float) -> Reading:
    share = math.log(seconds / a.seconds) / math.log(b.seconds / a.seconds)
    return Reading(
        kind=INTERPOLATED,
        seconds=seconds,
        images_seen=a.images_seen + (b.images_seen - a.images_seen) * (seconds - a.seconds) / (b.seconds - a.seconds),
        fmd=_geometric(a.fmd, b.fmd, share),
        fmd_se=None if a.fmd_se is None or b.fmd_se is None else _geometric(a.fmd_se, b.fmd_se, share),
    )


def _geometric(a: float, b: float, share: float) -> float:
    """Return the value whose logarithm lies at a share of the way from that of a to that of b."""
    value: float = a ** (1 - share) * b**share
    return min(max(value, min(a, b)), max(a, b))  # rounding may lead out by one digit in the last place
