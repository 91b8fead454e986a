"""What a trial says at a rung, and where its time went."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from typing import Any

from trainables.metric.fmd import Score
from trainables.metric.restoration import Validation

# What a diverged trial restores.
NOTHING = Validation(math.inf, -math.inf, -math.inf, math.inf, (), ())


@dataclass(frozen=True)
class Report:
    """What a trial says at a rung; seconds are those since its previous report.

    `loss` is that of training; from `validation_loss` to `ssim_by_t` see `restoration.Validation`, on the
    images that the variant splits off, or else on some that the search ranks against.
    """

    images_seen: int
    rung: int
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
    setup_seconds: float
    train_seconds: float
    sample_seconds: float
    score_seconds: float
    images_per_second: float
    parameters: int
    nfe: int


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
        """Return the seconds by part, as a report names them, and start again from zero."""
        seconds, self.seconds = self.seconds, dict.fromkeys(self.seconds, 0.0)
        return {f"{part}_seconds": value for part, value in seconds.items()}


def measured(score: Score, checked: Validation) -> dict[str, Any]:
    """Return what was measured under the names that a report has for it."""
    checks = asdict(checked)
    named = {"fmd": score.fmd, "fmd_normalised": score.normalised, "fmd_se": score.se, "fmd_corrected": score.corrected}
    return {**named, "validation_loss": checks.pop("loss"), **checks}
