"""The result of a confirmation: the standing of each configuration that was trained again with fresh seeds."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from analysis.run import evaluations
from analysis.run.run import Run, RunError
from analysis.statistics.confidence import may_be_best
from analysis.statistics.opinions import Opinion, opinions
from analysis.statistics.ranking import MetricCard, Row
from analysis.statistics.two_way import Behind, BySeed, estimates
from trainables.report import CHECKS

Values = Mapping[str, float]
"""Checks by their names; those that were not measured are left out"""


@dataclass(frozen=True)
class Standing:
    """One configuration in a confirmation; means are geometric, intervals 95 %, both over training seeds.

    Attributes:
        trial: the search's trial that was trained again.
        baseline: name of the literature's configuration that it is, or "".
        seeds, fmds: the fresh seeds, and the FMD of the training with each.
        fmd, low, high: the mean FMD and its interval; the mean of one with fewer seeds than others is corrected by what
            the seeds did to the others.
        normalised, normalised_low, normalised_high: the same with 0 = real against real images, 1 = black images.
        behind: its comparison with the best; None for the best itself.
        p_best: probability that its mean is the lowest of all; None where there are no others.
        tied: whether it may be the best, by 95 %.
        dropped: whether it left the race before the best, because it cannot be the best.
    """

    trial: str
    baseline: str
    seeds: tuple[int, ...]
    fmds: tuple[float, ...]
    fmd: float
    low: float
    high: float
    normalised: float
    normalised_low: float
    normalised_high: float
    behind: Behind | None
    p_best: float | None
    tied: bool
    dropped: bool

    @property
    def by_seed(self) -> BySeed:
        """Its FMDs by training seed."""
        return dict(zip(self.seeds, self.fmds, strict=True))


@dataclass(frozen=True)
class ConfirmationResult:
    """A confirmation so far, on images that the search did not see and, once it is over, on the test set.

    Attributes:
        metric: the card of its metric.
        standings: the best first; empty where every configuration is excluded.
        excluded: names of the configurations of which a training diverged or failed.
        images_seen: training images that each training saw.
        left_out: by trial that contended and was not trained again, what is to be said of it.
        cut: whether the time budget ended the race before its trainings told what they could.
        finished: whether the test set was measured, which is the last step.
        test_metric: the card of the metric on the test images; empty before the last step.
        test_standings: on the test images, of what may be the best and the best of the literature.
        checks: by configuration what was measured of its samples beside their FMD, the mean of its trainings; a run of
            an older version has none.
        real: the same of as many real images.
        opinions: what the features of other networks say of the order; empty for a run of an older version.
        guidance: by configuration that chose its guidance after training, that of the search and the chosen one.
    """

    metric: MetricCard
    standings: tuple[Standing, ...]
    excluded: tuple[str, ...]
    images_seen: int
    left_out: Mapping[str, str]
    cut: bool
    finished: bool
    test_metric: MetricCard
    test_standings: tuple[Standing, ...]
    checks: Mapping[str, Values]
    real: Values
    opinions: tuple[Opinion, ...]
    guidance: Mapping[str, tuple[float, float]]


def confirmation_result(run: Run) -> ConfirmationResult | None:
    """Return the result of a run's confirmation so far; None before a training of it has ended."""
    nested = run.confirmed()
    if nested is None:
        return None
    trials = nested.trials().to_pylist()
    rows = [row for row in trials if row["fmd"] is not None]
    if not rows:
        return None
    settings = nested.settings()
    if not settings.get("metric"):
        raise RunError(f"{nested.uri} has lost its settings: --resume {run.name} writes them again, or bring them back")
    # A seed that gives nothing excludes its configuration: the FMD of black images would widen all intervals.
    excluded = lost_contenders(trials)
    kept = [row for row in rows if row["repeats"] not in excluded]
    test_metric = settings.get("final_metric", {})
    tested = _test_fmds(nested, test_metric)
    found = _standings(kept, {row["trial"]: row["fmd"] for row in kept}, settings["metric"])
    return ConfirmationResult(
        metric=settings["metric"],
        standings=found,
        excluded=tuple(sorted(excluded)),
        images_seen=max(row["images_seen"] for row in rows),
        left_out=settings.get("left_out", {}),
        cut=settings.get("cut", False),
        finished=settings.get("tested", False),
        test_metric=test_metric,
        test_standings=_standings(kept, tested, test_metric),
        checks=_mean_checks(kept),
        real={check: value for check, value in settings.get("real", {}).items() if value is not None},
        opinions=opinions(kept, found[0].trial) if len(found) > 1 else (),
        guidance={
            row["repeats"]: (row["tried_guidance"][0], row["sampler/guidance"]) for row in kept if row["tried_guidance"]
        },
    )


def lost_contenders(trainings: Iterable[Row]) -> set[str]:
    """Return the configurations of which a training diverged or failed; the trainings are rows of `Run.trials`."""
    return {row["repeats"] for row in trainings if row["diverged"] or row["state"] == "FAILED"}


def _mean_checks(rows: Iterable[Row]) -> dict[str, Values]:
    """Return by configuration the mean of each check over its trainings, the rows; without any it is left out."""
    grouped: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        for check in CHECKS:
            if row[check] is not None:
                grouped[row["repeats"]][check].append(row[check])
    return {name: {check: fmean(values) for check, values in checks.items()} for name, checks in grouped.items()}


def _test_fmds(nested: Run, test_metric: MetricCard) -> dict[str, float]:
    """Return the FMD of each training on the test images, from noise of its own seed.

    Rows from other noise are those that a user has evaluated; they do not count.
    """
    seeds = {name: start.seed for name, start in nested.starts().items()}
    return {
        row["trial"]: row["fmd"]
        for row in evaluations.stored(nested).to_pylist()
        if row["split"] == "test"
        and row["metric"] == test_metric.get("version")
        and row["noise"] == seeds.get(row["trial"])
    }


def _standings(rows: Sequence[Row], fmds: Mapping[str, float], card: MetricCard) -> tuple[Standing, ...]:
    """Return the standings of the configurations that the rows, one a training, repeat; `fmds` are by training."""
    grouped: dict[str, dict[int, float]] = {}
    for row in rows:
        if row["trial"] in fmds:
            grouped.setdefault(row["repeats"], {})[row["seed"]] = fmds[row["trial"]]
    return standings(grouped, {row["repeats"]: row["baseline"] for row in rows}, card)


def standings(fmds: Mapping[str, BySeed], baselines: Mapping[str, str], card: MetricCard) -> tuple[Standing, ...]:
    """Return the standing of each configuration, the best first; nothing without configurations.

    Args:
        fmds: of each configuration its FMDs by training seed.
        baselines: of each the name of the literature's configuration that it is, or "".
        card: of the metric, with its floor and its blank value.
    """
    if not fmds:
        return ()
    estimated = estimates(fmds)
    chances, tied = estimated.chances_of_best(), may_be_best(estimated)
    best = tied[0]

    def standing(name: str) -> Standing:
        fmd, low, high = estimated.mean(name)
        return Standing(
            trial=name,
            baseline=baselines[name],
            seeds=tuple(fmds[name]),
            fmds=tuple(fmds[name].values()),
            fmd=fmd,
            low=low,
            high=high,
            normalised=normalise(fmd, card),
            normalised_low=normalise(low, card),
            normalised_high=normalise(high, card),
            behind=None if name == best else estimated.behind(name, best),
            p_best=chances[name] if len(fmds) > 1 else None,
            tied=name in tied,
            dropped=name not in tied and len(fmds[name]) < len(fmds[best]),
        )

    return tuple(standing(name) for name in estimated.ordered)


def normalise(fmd: float, card: MetricCard) -> float:
    """Return an FMD on the scale on which 0 is real against real images and 1 black images."""
    return (fmd - card["floor"]) / (card["blank"] - card["floor"])
