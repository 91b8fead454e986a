"""What a trial reports at a rung; this module imports no torch, because logs and tables are read with it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any, Literal, Self

Picture = Literal["samples", "degradation", "rungs", "restorations"]
"""A grid of samples; a strip of the degradation there and back; a row of samples for each rung so far; at the full
budget held-out images, degraded and restored, a row for each t."""

# Frechet distances on the features of two further networks, named by what they were trained to predict.
OTHERS = ("by_labels", "by_rotations")

# What is measured of a report's samples beside their FMD, in a confirmation; analysis/run/tables.py describes it.
CHECKS = (
    *("unreadable_share", "label_distance", "density", "coverage"),
    *("memorised_share", "memorised_ratio", "copied_share", "repeated_share"),
    *OTHERS,
)

# The guidance that a confirmation may try beside a configuration's own. source: tests/benchmarks/guidance.py
GUIDANCES = (0.4, 0.7, 1.0, 1.4)

# What a report that lacks a value is given, by the value's type; JSON has null for a float that is not finite.
ABSENT = {"str": "", "int": 0, "bool": False, "float": math.nan, "tuple[float, ...]": ()}


@dataclass(frozen=True)
class Report:
    """The measurements of a trial at a rung; seconds are those since its previous report.

    `loss` is the training loss. From `validation_loss` to `ssim_by_t` see `metric.restoration.Validation`: measured on
    the images that the variant splits off, or else on some that the search ranks against.
    """

    trial: str
    images_seen: int
    rung: int
    """Index of `images_seen` among the rungs, from 0."""
    fmd: float
    fmd_normalised: float
    fmd_se: float
    fmd_corrected: float
    loss: float
    validation_loss: float
    ssim: float
    psnr: float
    rmse: float
    loss_by_t: tuple[float, ...]
    ssim_by_t: tuple[float, ...]
    diverged: bool
    """Whether loss, weights or samples were not finite; `fmd` is then that of black images."""
    setup_seconds: float
    train_seconds: float
    sample_seconds: float
    score_seconds: float
    images_per_second: float
    """Training speed since the previous report."""
    parameters: int
    nfe: int
    """Network evaluations for one generated image."""
    draws: int = 1
    """Sets of samples, each scored alone, whose mean score is reported."""
    time: float = 0.0
    """When the log took it, seconds since 1970; 0 until then."""
    labels: tuple[int, ...] = ()
    """Samples by predicted label."""
    losses_at: tuple[int, ...] = ()
    """Images seen at each of `losses`."""
    losses: tuple[float, ...] = ()
    """Training loss since the one before, about every 50 steps since the previous report."""
    between_at: tuple[int, ...] = ()
    """Images seen where the trial was scored since the previous report, beside the rungs; it decides nothing."""
    between_fmd: tuple[float, ...] = ()
    """`fmd` at each of `between_at`."""
    between_validation_loss: tuple[float, ...] = ()
    """`validation_loss` at each of `between_at`."""
    tried_guidance: tuple[float, ...] = ()
    """Of a trial that chose its guidance after training, those that it tried, its configuration's first."""
    tried_fmd: tuple[float, ...] = ()
    """FMD with each of `tried_guidance`, by images of the search."""
    # Those of `CHECKS`, in a confirmation; None elsewhere.
    unreadable_share: float | None = None
    label_distance: float | None = None
    density: float | None = None
    coverage: float | None = None
    memorised_share: float | None = None
    memorised_ratio: float | None = None
    copied_share: float | None = None
    repeated_share: float | None = None
    by_labels: float | None = None
    by_rotations: float | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the report that `values` hold; an absent or null value becomes that of `ABSENT`, others are ignored.

        Logs of other versions lack some fields and have others.
        """
        return cls(**{entry.name: _value(values.get(entry.name), entry) for entry in fields(cls)})

    @property
    def chosen(self) -> dict[str, float]:
        """The fields of its configuration that were chosen after training, with their values."""
        if not self.tried_fmd:
            return {}
        return {"sampler/guidance": self.tried_guidance[self.tried_fmd.index(min(self.tried_fmd))]}

    def on_the_way(self) -> list[tuple[int, dict[str, float]]]:
        """Return the training losses and the scores since the report before it, by images seen, ascending."""
        found: dict[int, dict[str, float]] = {}
        for at, loss in zip(self.losses_at, self.losses, strict=True):
            found.setdefault(at, {})["training_loss"] = loss
        scores = zip(self.between_at, self.between_fmd, self.between_validation_loss, strict=True)
        for at, fmd, loss in scores:
            found.setdefault(at, {}).update({"fmd": fmd, "validation_loss": loss})
        return sorted(found.items())


def _value(value: Any, entry: Field[Any]) -> Any:
    if value is None:
        return ABSENT[str(entry.type)] if entry.default is MISSING else entry.default
    if isinstance(value, list | tuple):
        return tuple(math.nan if item is None else item for item in value)
    return value


class Stopwatch:
    """Seconds spent on each named part of a trial since the last report."""

    def __init__(self) -> None:
        """Start now."""
        self.seconds = dict.fromkeys(("setup", "train", "sample", "score"), 0.0)
        self._since = time.monotonic()

    def charge(self, part: str) -> None:
        """Count the time since the last charge towards `part`."""
        now = time.monotonic()
        self.seconds[part] += now - self._since
        self._since = now

    def read(self) -> dict[str, Any]:
        """Return the seconds by part, named as in a report, and start again from zero."""
        seconds, self.seconds = self.seconds, dict.fromkeys(self.seconds, 0.0)
        return {f"{part}_seconds": value for part, value in seconds.items()}
