"""What the best configuration of a run is measured by, and how far that is behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.run.run import Run
from analysis.statistics.confirmed import ConfirmationResult
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


def measures(run: Run, result: ConfirmationResult | None, ordered: Sequence[str]) -> Measures:
    """Return what the best trial of a run is measured by.

    Args:
        run: whose log is read.
        result: its confirmation, if there is one.
        ordered: the trials among which the best of the literature is, the best of all first.
    """
    starts = run.starts()
    default_of_all = run.settings().get("default")
    # No trial has it in a run of an older version, which does not say what it is.
    default = next((name for name, one in starts.items() if not one.baseline and one.variant == default_of_all), None)
    literature = next((name for name in ordered if name in starts and starts[name].baseline), None)
    wanted = (first_trial(run), default, literature)
    return Measures(*(None if trial is None else _measure(run, result, trial, ordered[0]) for trial in wanted))


def first_trial(run: Run) -> str | None:
    """Return the first trial of a search if it is a starting point that was known to be good; None if there is none.

    Runs of an older version do not say whether their space had one; all of the project's spaces have.
    """
    if not run.settings().get("starting_point", True):
        return None
    return next((name for name, one in run.starts().items() if one.number == 0 and not one.baseline), None)


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
