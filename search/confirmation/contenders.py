"""Which trials of a search contend in its confirmation."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from analysis.run.events import Start
from analysis.run.run import Run
from analysis.statistics.kinds import Kinds
from analysis.statistics.measures import first_trial
from analysis.text.words import fmd_text
from search.reserve import Cost, Judging, cost
from search.settings import Settings
from trainables.domain import Primitive
from trainables.report import Report

# Two real numbers are alike if they differ by at most this share of the larger one. Measured: of three learning rates
# within 2 % of each other, the mean FMDs of four fresh seeds were 0.2 % apart.
ALIKE = 0.1
# A trial is beaten beyond doubt by one of half its FMD, at a rung of at least this share of the full budget. Of pairs
# of recorded trials that were so far apart at 12,000 of 108,000 images, 2.0 % ended in the other order; of those at
# 36,000 images none of 2,314 did. At 4,000 images 44 % did. source: tests/benchmarks/beaten.py
BEATEN, BEATEN_FROM = 2.0, 1 / 9
# A kind leads if its best has at most this many times the FMD of the best of all: 0.2 % of pairs so far apart at 36,000
# images ended in the other order, 5 % of those at 12,000.
LEADING = 1.5


def contenders(run: Run, best: int, full: int) -> list[Start]:
    """Return the starts of the trials that contend: `best` of the ranking, the first trial, and the best baseline.

    The first is the first of the ranking. The best trial of each other leading kind follows, because most searches ask
    which kind is best; then the rest of the ranking follows. Of trials that are alike only the best is taken. The
    search's first trial, if it is a starting point, is what the others are compared with. It takes the last place if it
    is not chosen already. If it is beaten beyond doubt it takes no place, but is returned too, so that the result names
    it.

    Args:
        run: whose log is read.
        best: how many of the ranking.
        full: images of the full budget.
    """
    starts, ends, reports = run.starts(), run.ends(), run.reports()
    failed = {name for name, end in ends.items() if end.state == "FAILED"}
    last = [reports[name][-1] for name in reports if name not in failed]
    sound = sorted((report for report in last if not report.diverged), key=lambda r: _order(r, starts[r.trial]))
    ranked = [starts[report.trial] for report in sound]
    leading = [start for start in ranked if _leads(reports[start.trial], reports[ranked[0].trial], full)]
    kinds = Kinds.of_run(run).first_of_each(start for start in leading if not start.baseline)
    chosen: list[Start] = []
    for start in [*ranked[:1], *kinds, *ranked]:
        if len(chosen) < best and not any(alike(start.variant, other.variant) for other in chosen):
            chosen.append(start)
    known = first_trial(run)
    first = next((start for start in ranked if start.trial == known), None)
    if first is not None and first not in chosen and best > 1:
        is_beaten = defeat(reports[first.trial], reports[chosen[0].trial], full) is not None
        chosen = [*(chosen if is_beaten else chosen[: best - 1]), first]
    baselines = [start for start in ranked if start.baseline]
    return chosen + [start for start in baselines[:1] if start not in chosen]


def _leads(reports: Sequence[Report], best: Sequence[Report], full: int) -> bool:
    """Return whether a trial is at most `LEADING` times as bad as the best one at the highest rung of both."""
    rung, own, other = _compared(reports, best)
    return rung >= BEATEN_FROM * full and own <= LEADING * other


def fresh_seeds(run: Run) -> Counter[str]:
    """Return with how many fresh seeds each trial was trained again; 0 for a trial that was not."""
    nested = run.confirmed()
    if nested is None:
        return Counter()
    starts = nested.starts()
    return Counter(str(starts[name].repeats) for name in nested.reports())


def cost_of_each(run: Run, settings: Settings, contending: Iterable[Start], judging: Judging) -> dict[str, Cost]:
    """Return the cost of training each contender again, by name."""
    reports, full, seeds = run.reports(), settings.rungs[-1], fresh_seeds(run)
    chooses = {
        one.trial: settings.tune_guidance and one.variant.get("network/conditioning", "none") != "none"
        for one in contending
    }
    return {name: cost(reports[name], full, judging, seeds[name], chooses[name]) for name in chooses}


def beaten(contending: Sequence[Start], reports: Mapping[str, Sequence[Report]], full: int) -> dict[str, str]:
    """Return the contenders that the first one beats beyond doubt, each with its `defeat`, by name."""
    found = {one.trial: defeat(reports[one.trial], reports[contending[0].trial], full) for one in contending[1:]}
    return {name: words for name, words in found.items() if words is not None}


def defeat(reports: Sequence[Report], best: Sequence[Report], full: int) -> str | None:
    """Return how a trial is beaten beyond doubt by the best one, at the highest rung that both reached; else None.

    It is said in words: "FMD 72.9 against 25.1 at 36,000 images".
    """
    rung, own, other = _compared(reports, best)
    if rung < BEATEN_FROM * full or own < BEATEN * other:
        return None
    return f"FMD {fmd_text(own)} against {fmd_text(other)} at {rung:,} images"


def _compared(reports: Sequence[Report], best: Sequence[Report]) -> tuple[int, float, float]:
    """Return the highest rung that both reached, and their FMDs there; 0 and no numbers without one."""
    own, others = ({report.images_seen: report.fmd for report in some} for some in (reports, best))
    rung = max(own.keys() & others.keys(), default=0)
    return (rung, own[rung], others[rung]) if rung else (0, math.nan, math.nan)


def alike(a: Mapping[str, Primitive], b: Mapping[str, Primitive]) -> bool:
    """Return whether two variants make the same choices, and no real number of theirs is a tenth apart."""
    return a.keys() == b.keys() and all(_near(value, b[name]) for name, value in a.items())


def _near(a: Primitive, b: Primitive) -> bool:
    return a == b or (isinstance(a, float) and isinstance(b, float) and math.isclose(a, b, rel_tol=ALIKE))


def _order(report: Report, start: Start) -> tuple[int, float, int]:
    """Return what the ranking sorts by, see `analysis.statistics.ranking`."""
    return -report.images_seen, report.fmd, start.number
