"""What a finished search suggests to do next, computed from its tables."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.run.run import Run
from analysis.run.tables import SECONDS
from analysis.statistics.confirmed import Standing
from analysis.statistics.ranking import ranked_rows, varied_fields
from analysis.statistics.two_way import LOOK_LEVEL, estimates, quantile
from analysis.statistics.winner import winner

EDGE, BEYOND = 0.1, 0.25  # of a domain, on its own scale: what is near an end, and how far beyond it is to be tried
BEST = 5  # trials whose values are compared with those of all
TRIED = 3  # times that a value was tried before it counts as one that did not reach the best
MOST_SEEDS = 64
# The normal quantile of the probability, 80 %, with which so many seeds tell two configurations apart.
POWER = 0.84
# How much further the next search trains, and the share of FMD that two rungs have to gain to expect more of it.
LONGER, GAIN = 3, 0.1


@dataclass(frozen=True)
class Edge:
    """A number of the best configuration that lies near an end of what the space searches.

    Attributes:
        field: its name.
        value: that of the best.
        end: the end of the domain that is near.
        beyond: a value on the other side of it, which the field still takes.
    """

    field: str
    value: float
    end: float
    beyond: float


@dataclass(frozen=True)
class Same:
    """A field that has one value in the best trials, although others were tried; `trials` are the best."""

    field: str
    value: str | int | bool
    trials: int


@dataclass(frozen=True)
class Undecided:
    """The best configuration and the next, which trainings with `seeds` fresh seeds each would tell apart.

    Attributes:
        other: the name of the next.
        shared: how many seeds both have.
        seeds: how many, with a probability of 80 % if they differ as they seem to; 2, the least that tells of a spread,
            where they share only one; None for more than `MOST_SEEDS`.
        trainings: how many of these are missing.
        seconds: of one training, the mean.
    """

    other: str
    shared: int
    seeds: int | None
    trainings: int
    seconds: float


@dataclass(frozen=True)
class Longer:
    """What longer training may gain: normalised FMD at the last two rungs, and with `images` at that pace."""

    rungs: tuple[int, int]
    normalised: tuple[float, float]
    images: int
    expected: float


def edges(run: Run) -> list[Edge]:
    """Return the numbers of the best configuration beyond which a next search may look; none before there is a best."""
    best, starts = winner(run), run.starts()
    if best not in starts:
        return []
    variant, found = starts[best].variant, []
    for name, domain in run.settings().get("domains", {}).items():
        value, low, high = variant.get(name), domain["low"], domain["high"]
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            continue
        scale, back = (math.log, math.exp) if domain["log"] and low > 0 else (float, float)
        start, length = scale(low), scale(high) - scale(low)
        place = (scale(value) - start) / length if length else 0.5
        if place <= EDGE:
            end, tried = low, max(domain["least"], back(start - BEYOND * length))
        elif place >= 1 - EDGE:
            end, tried = high, min(domain["most"], back(start + (1 + BEYOND) * length))
        else:
            continue
        # Two significant digits; rounding may lead back to the end, or to what the field does not take.
        beyond = round(tried) if isinstance(value, int) else float(f"{tried:.2g}")
        is_outside = beyond < low if end == low else beyond > high
        if is_outside and domain["least"] <= beyond <= domain["most"]:
            found.append(Edge(name, value, end, beyond))
    return found


def same(run: Run) -> list[Same]:
    """Return the fields, no real numbers, that have one value in the best trials at the largest budget."""
    table, ranked = run.trials(), ranked_rows(run)
    drawn = {row["trial"]: row for row in table.to_pylist() if not row["baseline"]}
    images = ranked[0]["images_seen"] if ranked else None
    best = [drawn[row["trial"]] for row in ranked if row["images_seen"] == images and row["trial"] in drawn][:BEST]
    if len(best) < BEST:
        return []
    found = []
    for name in varied_fields(table):
        values = {row[name] for row in best}
        tried = Counter(row[name] for row in drawn.values() if row[name] is not None)
        (value,) = values if len(values) == 1 else (None,)
        others = [count for other, count in tried.items() if other != value]
        if value is not None and not isinstance(value, float) and max(others, default=0) >= TRIED:
            found.append(Same(name, value, len(best)))
    return found


def undecided(run: Run, standings: Sequence[Standing]) -> Undecided | None:
    """Return what it takes to tell the best from the next; None where they are told apart, or there is only one."""
    if len(standings) < 2 or not standings[1].tied:
        return None
    best, other = standings[:2]
    estimated = estimates({standing.trial: standing.by_seed for standing in standings})
    difference = estimated.difference(other.trial, best.trial)
    have = len(set(best.seeds) & set(other.seeds))
    if not have:
        return None
    spread = difference.error * math.sqrt(have)
    enough = (
        count
        for count in range(have + 1, MOST_SEEDS + 1)
        if (quantile(LOOK_LEVEL, difference.dof * count / have) + POWER) * spread / math.sqrt(count) <= difference.mean
    )
    seeds = 2 if have == 1 else next(enough, None)
    missing = sum(max(0, (seeds or 0) - len(standing.fmds)) for standing in (best, other))
    return Undecided(other.trial, have, seeds, missing, _training_seconds(run, {best.trial, other.trial}))


def _training_seconds(run: Run, trials: set[str]) -> float:
    """Return the mean seconds of a training of the confirmation, of those that repeat these trials."""
    nested = run.confirmed()
    if nested is None:
        return 0.0
    rows = [row for row in nested.trials().to_pylist() if row["repeats"] in trials and row["fmd"] is not None]
    return sum(row[part] or 0.0 for row in rows for part in SECONDS) / max(1, len(rows))


def longer(run: Run) -> Longer | None:
    """Return what longer training may gain; None where the best one's curve is not known to fall at the full budget."""
    reports = run.reports().get(winner(run) or "", [])
    rungs = run.settings().get("settings", {}).get("rungs") or [0]
    if len(reports) < 2 or reports[-1].images_seen < rungs[-1]:
        return None
    before, last = reports[-2:]
    ratio = last.fmd_normalised / before.fmd_normalised if before.fmd_normalised > 0 else 1.0
    noise = 2 * math.hypot(before.fmd_se, last.fmd_se)
    if not 0 < ratio <= 1 - GAIN or not before.fmd - last.fmd > noise:
        return None
    further = math.log(LONGER) / math.log(last.images_seen / before.images_seen)
    return Longer(
        rungs=(before.images_seen, last.images_seen),
        normalised=(before.fmd_normalised, last.fmd_normalised),
        images=LONGER * last.images_seen,
        expected=last.fmd_normalised * ratio**further,
    )
