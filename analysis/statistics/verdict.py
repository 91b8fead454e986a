"""The verdict of a run: which configuration is best, and how far what it is measured by is behind it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from analysis.run.events import Start
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
            own first; None where it did not, or where one of the other three is known.
    """

    trial: str
    behind: Behind | None = None
    left_out: str = ""
    searched: tuple[int, float, float] | None = None


@dataclass(frozen=True)
class Measures:
    """What the best configuration of a run is measured by; None where nothing compares one with the best.

    Attributes:
        first: the first trial of the search, a starting point that was known to be good.
        default: the trial that has the default of every field that the space searches; it may be the first.
        literature: the best of the literature's configurations.
    """

    first: Measure | None
    default: Measure | None
    literature: Measure | None

    def trials(self) -> set[str]:
        """Return the names of those that there are."""
        return {one.trial for one in (self.first, self.default, self.literature) if one is not None}


@dataclass(frozen=True)
class Verdict:
    """What a confirmation that has standings says.

    Attributes:
        best: the standing of the configuration that is ahead.
        rivals: those that may be the best, too, the best first.
        kinds: of each kind its name and its best, the best first; empty where all are of one kind.
        within: of the best one's kind the second; None where there is one only.
    """

    best: Standing
    rivals: tuple[Standing, ...]
    kinds: tuple[tuple[str, Standing], ...]
    within: Standing | None


def verdict(run: Run, result: ConfirmationResult) -> Verdict:
    """Return the verdict of a run's confirmation, which has standings."""
    best = result.standings[0]
    drawn = [standing for standing in result.standings if not standing.baseline]
    kinds = Kinds.of_run(run)
    first_ones = [(kinds.of(standing.trial), standing) for standing in kinds.first_of_each(drawn)]
    same = [standing for standing in drawn if kinds.of(standing.trial) == kinds.of(best.trial)]
    return Verdict(
        best=best,
        rivals=tuple(standing for standing in result.standings[1:] if standing.tied),
        kinds=tuple(first_ones) if len(first_ones) > 1 else (),
        within=same[1] if len(same) > 1 else None,
    )


def measures(run: Run, result: ConfirmationResult | None, ordered: Iterable[str]) -> Measures:
    """Return what the best trial of a run is measured by.

    Args:
        run: whose log is read.
        result: its confirmation, if there is one.
        ordered: the trials among which the best of the literature is, the best of all first.
    """
    names, starts = list(ordered), run.starts()
    first, default = first_trial(run), default_trial(run, starts)
    literature = next((name for name in names if name in starts and starts[name].baseline), None)

    def measure(trial: str | None) -> Measure | None:
        return None if trial is None else _measure(run, result, trial, names[0])

    return Measures(measure(first), measure(default), measure(literature))


def first_trial(run: Run) -> str | None:
    """Return the first trial of a search if it is a starting point that was known to be good; None if there is none.

    Runs of an older version do not say whether their space had one; all of the project's spaces have.
    """
    if not run.settings().get("starting_point", True):
        return None
    return next((name for name, one in run.starts().items() if one.number == 0 and not one.baseline), None)


def default_trial(run: Run, starts: Mapping[str, Start]) -> str | None:
    """Return the trial that has the default of all that the space searches; None where none has, or in an older run."""
    default = run.settings().get("default")
    return next((name for name, one in starts.items() if not one.baseline and one.variant == default), None)


def _measure(run: Run, result: ConfirmationResult | None, trial: str, best: str) -> Measure | None:
    """Return a trial as a measure of the best; None where nothing compares the two."""
    standings = {standing.trial: standing for standing in result.standings} if result else {}
    if trial == best or trial in standings:
        return Measure(trial, standings[trial].behind if trial in standings else None)
    if result and trial in result.left_out:
        return Measure(trial, left_out=result.left_out[trial])
    reports = run.reports()
    own, other = ({one.images_seen: one.fmd_normalised for one in reports.get(name, [])} for name in (trial, best))
    images = max(own.keys() & other.keys(), default=0)
    return Measure(trial, searched=(images, own[images], other[images])) if images else None


def searched(run: Run, images: int) -> Mapping[str, float]:
    """Return by trial the normalised FMD that the search reported at so many images, of one training."""
    rows = run.trials().select(["trial", "images_seen", "fmd_normalised"]).to_pylist()
    known = (row for row in rows if row["images_seen"] == images and row["fmd_normalised"] is not None)
    return {row["trial"]: row["fmd_normalised"] for row in known}
