"""Pareto fronts of FMD against what a model costs: network evaluations, parameters and seconds."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from analysis.run.run import Run
from analysis.run.tables import fields
from analysis.statistics.ranking import Row

COSTS = {
    "nfe": "network evaluations for one generated image",
    "parameters": "weights of the network",
    "train_seconds": "seconds of training up to this budget",
    "sample_seconds": "seconds of sampling for the score at this budget",
}

# By the cost: the columns and fields that decide how long a trial takes. Trials that agree in them do the same work.
WORK = {
    "train_seconds": (
        ("parameters",),
        ("network", "degradation/kind", "pixels", "training/batch", "training/optimizer", "training/precision"),
    ),
    "sample_seconds": (("parameters", "nfe"), ("network", "degradation/kind", "pixels", "sampler/kind")),
}


@dataclass(frozen=True)
class Point:
    """A trial in the plane of one of `COSTS` and of FMD.

    Attributes:
        dominated_by: of the trials that cost no more and have no higher FMD, and less of one of the two, the one of
            lowest FMD; None on the front.
    """

    trial: str
    cost: float
    fmd: float
    dominated_by: str | None


def front_budget(run: Run) -> int | None:
    """Return the images seen at which trials are compared: the largest that two of them reached without diverging."""
    reached = Counter(row["images_seen"] for row in run.curves().to_pylist() if not row["diverged"])
    return max((images for images, trials in reached.items() if trials > 1), default=None)


def points(run: Run) -> dict[str, list[Point]]:
    """Return for each of `COSTS` the trials at `front_budget`, baselines included, by ascending cost, then FMD.

    A cost that is the same for all of them is left out. Seconds depend on what else the machine did: of trials that do
    the same work, by `WORK`, each has the median of their seconds, in tenths. The error of FMD is not considered: of
    two points closer than that, one may be on the front by chance.
    """
    budget = front_budget(run)
    curves = run.curves().to_pylist()
    trained: dict[str, float] = defaultdict(float)
    for row in curves:
        if budget is not None and row["images_seen"] <= budget:
            trained[row["trial"]] += row["train_seconds"] or 0.0
    there = [row for row in curves if row["images_seen"] == budget and not row["diverged"]]
    for row in there:
        row["train_seconds"] = trained[row["trial"]]
        row["sample_seconds"] = row["sample_seconds"] or 0.0
    for cost in WORK:
        _level(run, there, cost)
    found = {cost: _points(there, cost) for cost in COSTS}
    return {cost: points for cost, points in found.items() if len({point.cost for point in points}) > 1}


def _level(run: Run, reports: list[Row], cost: str) -> None:
    """Replace the seconds of reports by the median, in tenths, over the trials that do the same work."""
    columns, families = WORK[cost]
    trials = run.trials()
    names = [name for name in fields(trials) if any(f"{name}/".startswith(f"{family}/") for family in families)]
    variants = {row["trial"]: tuple(row[name] for name in names) for row in trials.to_pylist()}
    work = [(*variants[row["trial"]], *(row[column] for column in columns)) for row in reports]
    seconds = defaultdict[tuple[object, ...], list[float]](list)
    for key, row in zip(work, reports, strict=True):
        seconds[key].append(row[cost])
    for key, row in zip(work, reports, strict=True):
        row[cost] = round(median(seconds[key]), 1)


def _points(rows: Iterable[Row], cost: str) -> list[Point]:
    """Return the points of reports, those without the cost left out.

    By ascending cost, then FMD, a point is dominated exactly if the best before it is no worse and not its equal.
    """
    found: list[Point] = []
    best: Point | None = None
    given = [(row[cost], row["fmd"], row["trial"]) for row in rows if row[cost] is not None]
    for place, fmd, trial in sorted(given):
        dominated_by = None
        if best is not None and best.fmd <= fmd and (best.cost, best.fmd) != (place, fmd):
            dominated_by = best.trial
        point = Point(trial, place, fmd, dominated_by)
        found.append(point)
        if best is None or fmd < best.fmd:
            best = point
    return found
