"""Cross-validation: what trials that hold out different folds measured on them, by t, with mean and spread."""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from analysis.run.run import Run, RunError
from analysis.run.tables import fields
from analysis.statistics.ranking import Row


class Spread(NamedTuple):
    """Mean and standard deviation over folds."""

    mean: float
    sd: float


@dataclass(frozen=True)
class CrossValidation:
    """One configuration on its folds, at the largest number of images seen that all of its trials reached.

    Attributes:
        configuration: the fields that its trials share.
        folds: those held out, ascending.
        images_seen: training images of each trial.
        fmd: that of samples, which no fold has part in.
        loss, ssim: of one-step restorations of held-out images, at t = T/10, 2 T/10, ..., T.
    """

    configuration: Row
    folds: tuple[int, ...]
    images_seen: int
    fmd: Spread
    loss: tuple[Spread, ...]
    ssim: tuple[Spread, ...]


def cross_validations(run: Run) -> list[CrossValidation]:
    """Return the configurations of a run of which two trials or more hold out different folds.

    Of trials with the same fold the last counts, and diverged ones do not.

    Raises:
        RunError: there are none.
    """
    trials = run.trials()
    reports: dict[str, dict[int, Row]] = defaultdict(dict)
    for row in run.curves().to_pylist():
        if not row["diverged"] and row["loss_by_t"]:
            reports[row["trial"]][row["images_seen"]] = row
    grouped: dict[str, tuple[Row, dict[int, str]]] = {}
    for row in trials.to_pylist():
        if str(row.get("training/split")).startswith("5-fold") and row["trial"] in reports:
            shared = {name: row[name] for name in fields(trials) if name != "training/fold"}
            grouped.setdefault(str(shared), (shared, {}))[1][row["training/fold"]] = row["trial"]
    found = [
        _validated(shared, {fold: reports[name] for fold, name in sorted(by_fold.items())})
        for shared, by_fold in grouped.values()
        if len(by_fold) > 1
    ]
    if not (validations := [one for one in found if one is not None]):
        raise RunError(f"{run.path} has no trials that hold out different folds; run --space folds")
    return validations


def _validated(configuration: Row, by_fold: dict[int, dict[int, Row]]) -> CrossValidation | None:
    common = set.intersection(*(set(reports) for reports in by_fold.values()))
    if not common:
        return None
    rows = [reports[max(common)] for reports in by_fold.values()]
    loss, ssim = (
        tuple(_spread(values) for values in zip(*(row[column] for row in rows), strict=True))
        for column in ("loss_by_t", "ssim_by_t")
    )
    fmd = _spread([row["fmd"] for row in rows])
    return CrossValidation(configuration, tuple(by_fold), max(common), fmd, loss, ssim)


def _spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.fmean(values), statistics.stdev(values))
