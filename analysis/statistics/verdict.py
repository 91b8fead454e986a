"""The verdict of a confirmation: which configuration is best, and how far what it is measured by is behind it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from analysis.run.run import Run
from analysis.statistics.confirmed import ConfirmationResult, Standing
from analysis.statistics.kinds import Kinds
from analysis.statistics.two_way import Behind


@dataclass(frozen=True)
class Measure:
    """A configuration that the best one is measured by.

    Attributes:
        trial: its name, that of the best one if it is the same.
        behind: how far it is behind the best; None where it is the best, or was not trained again.
        left_out: what is said of it where it contended and was not trained again; else empty.
        searched: the images at which the search compared it with the best, and the normalised FMDs of both there, its
            own first; None where it did not, or where it was trained again.
    """

    trial: str
    behind: Behind | None = None
    left_out: str = ""
    searched: tuple[int, float, float] | None = None


@dataclass(frozen=True)
class Verdict:
    """What a confirmation that has standings says.

    Attributes:
        best: the standing of the configuration that is ahead.
        rivals: those that may be the best, too, the best first.
        first: the first trial of the search, a starting point that was known to be good; None where it has no result.
        literature: the best of the literature's configurations among the contenders; None without any.
        kinds: of each kind its name and its best, the best first; empty where all are of one kind.
        within: of the best one's kind the second; None where there is one only.
    """

    best: Standing
    rivals: tuple[Standing, ...]
    first: Measure | None
    literature: Measure | None
    kinds: tuple[tuple[str, Standing], ...]
    within: Standing | None


def verdict(run: Run, result: ConfirmationResult) -> Verdict:
    """Return the verdict of a run's confirmation, which has standings."""
    best = result.standings[0]
    baselines = {name: start.baseline for name, start in run.starts().items()}
    contending = [*(standing.trial for standing in result.standings), *result.left_out]
    first = first_trial(run)
    literature = next((name for name in contending if baselines.get(name)), None)
    drawn = [standing for standing in result.standings if not standing.baseline]
    kinds = Kinds.of_run(run)
    first_ones = [(kinds.of(standing.trial), standing) for standing in kinds.first_of_each(drawn)]
    same = [standing for standing in drawn if kinds.of(standing.trial) == kinds.of(best.trial)]
    return Verdict(
        best=best,
        rivals=tuple(standing for standing in result.standings[1:] if standing.tied),
        first=_first(run, result, first, best.trial) if first else None,
        literature=_measure(literature, result) if literature else None,
        kinds=tuple(first_ones) if len(first_ones) > 1 else (),
        within=same[1] if len(same) > 1 else None,
    )


def first_trial(run: Run) -> str | None:
    """Return the first trial of a search if it is a starting point that was known to be good; None if there is none.

    Runs of an older version do not say whether their space had one; all of the project's spaces have.
    """
    if not run.settings().get("starting_point", True):
        return None
    return next((name for name, one in run.starts().items() if one.number == 0 and not one.baseline), None)


def _first(run: Run, result: ConfirmationResult, first: str, best: str) -> Measure | None:
    """Return the first trial as a measure; None where nothing compares it with the best."""
    measure = _measure(first, result)
    if first == best or measure.behind is not None or measure.left_out:
        return measure
    reports = run.reports()
    own, other = ({one.images_seen: one.fmd_normalised for one in reports.get(name, [])} for name in (first, best))
    images = max(own.keys() & other.keys(), default=0)
    return replace(measure, searched=(images, own[images], other[images])) if images else None


def _measure(trial: str, result: ConfirmationResult) -> Measure:
    standing = next((standing for standing in result.standings if standing.trial == trial), None)
    if standing is not None:
        return Measure(trial, standing.behind)
    return Measure(trial, left_out=result.left_out.get(trial, ""))


def searched(run: Run, images: int) -> Mapping[str, float]:
    """Return by trial the normalised FMD that the search reported at so many images, of one training."""
    rows = run.trials().select(["trial", "images_seen", "fmd_normalised"]).to_pylist()
    known = (row for row in rows if row["images_seen"] == images and row["fmd_normalised"] is not None)
    return {row["trial"]: row["fmd_normalised"] for row in known}
