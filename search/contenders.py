"""Which trials of a search contend in its confirmation."""

import math
from collections.abc import Mapping, Sequence

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


def beaten(contending: Sequence[Start], reports: Mapping[str, Sequence[Report]], full: int) -> dict[str, str]:
    """Return the contenders that the first one beats beyond doubt, each with its `defeat`, by name."""
    found = {one.trial: defeat(reports[one.trial], reports[contending[0].trial], full) for one in contending[1:]}
    return {name: words for name, words in found.items() if words is not None}


def defeat(reports: Sequence[Report], best: Sequence[Report], full: int) -> str | None:
    """Return how a trial is beaten beyond doubt by the best one, at the highest rung that both reached; else None.

    It is said in words: "FMD 72.9 against 25.1 at 36,000 images".
    """
    own, others = ({report.images_seen: report.fmd for report in some} for some in (reports, best))
    rung = max(own.keys() & others.keys(), default=0)
    if rung < BEATEN_FROM * full or own[rung] < BEATEN * others[rung]:
        return None
    return f"FMD {own[rung]:.3g} against {others[rung]:.3g} at {rung:,} images"


def alike(a: Mapping[str, Primitive], b: Mapping[str, Primitive]) -> bool:
    """Return whether two variants make the same choices, and no real number of theirs is a tenth apart."""
    return a.keys() == b.keys() and all(_near(value, b[name]) for name, value in a.items())


def _near(a: Primitive, b: Primitive) -> bool:
    return a == b or (isinstance(a, float) and isinstance(b, float) and math.isclose(a, b, rel_tol=ALIKE))


def _order(report: Report, start: Start) -> tuple[int, float, int]:
    """Return what the ranking sorts by, see `analysis.statistics.ranking`."""
    return -report.images_seen, report.fmd, start.number
