"""Which trials of a search contend in its confirmation."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.run.events import Start
from analysis.run.run import Run
from trainables.domain import Primitive
from trainables.report import Report

# Of the larger of two real numbers. Three learning rates within 2 % came out of four fresh seeds 0.2 % apart.
ALIKE = 0.1
# A trial is beaten beyond doubt by one of half its FMD, at a rung of at least this share of the full budget. Of pairs
# of recorded trials that were so far apart at 12,000 of 108,000 images, 2.0 % ended in the other order; of those at
# 36,000 images none of 2,314 did. At 4,000 images 44 % did. source: tests/benchmarks/beaten.py
BEATEN, BEATEN_FROM = 2.0, 1 / 9


@dataclass(frozen=True)
class Defeat:
    """The reports of a trial and of the best trial at the rung where the first is beaten beyond doubt."""

    own: Report
    best: Report

    def __str__(self) -> str:
        """Return it in words: "FMD 72.9 against 25.1 at 36,000 images"."""
        return f"FMD {self.own.fmd:.3g} against {self.best.fmd:.3g} at {self.own.images_seen:,} images"


def contenders(run: Run, best: int) -> list[Start]:
    """Return the starts of the trials that contend: the `best` of the ranking, and its best baseline.

    Of trials that are alike only the best is taken, so that the race is between configurations that differ.
    """
    starts, ends = run.starts(), run.ends()
    failed = {name for name, end in ends.items() if end.state == "FAILED"}
    last = [reports[-1] for name, reports in run.reports().items() if name not in failed]
    sound = sorted((report for report in last if not report.diverged), key=lambda r: _order(r, starts[r.trial]))
    chosen: list[Start] = []
    for start in (starts[report.trial] for report in sound):
        if len(chosen) < best and not any(alike(start.variant, other.variant) for other in chosen):
            chosen.append(start)
    baselines = [starts[report.trial] for report in sound if starts[report.trial].baseline]
    return chosen + [start for start in baselines[:1] if start not in chosen]


def defeat(reports: Sequence[Report], best: Sequence[Report], full: int) -> Defeat | None:
    """Return how a trial is beaten beyond doubt by the best one, at the highest rung that both reached; else None."""
    own, others = ({r.images_seen: r for r in some if r.images_seen >= BEATEN_FROM * full} for some in (reports, best))
    common = own.keys() & others.keys()
    if not common:
        return None
    found = Defeat(own[max(common)], others[max(common)])
    return found if found.own.fmd >= BEATEN * found.best.fmd else None


def alike(a: Mapping[str, Primitive], b: Mapping[str, Primitive]) -> bool:
    """Return whether two variants make the same choices, and no real number of theirs is a tenth apart."""
    return a.keys() == b.keys() and all(_near(value, b[name]) for name, value in a.items())


def _near(a: Primitive, b: Primitive) -> bool:
    return a == b or (isinstance(a, float) and isinstance(b, float) and math.isclose(a, b, rel_tol=ALIKE))


def _order(report: Report, start: Start) -> tuple[int, float, int]:
    """Return what the ranking sorts by, see `analysis.statistics.ranking`."""
    return -report.images_seen, report.fmd, start.number
