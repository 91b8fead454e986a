"""Say what an FMD does not tell of a confirmation's samples: as a table, and as a fact of the best."""

from typing import NamedTuple

from analysis.run.evaluations import REAL
from analysis.statistics.confirmed import ConfirmationResult, Values
from analysis.text.facts import Fact
from analysis.text.words import percent

MANY_REPEATED = 0.1  # share of the samples, beyond that of real images, of which the answer tells; a choice


class Check(NamedTuple):
    """A check as it is shown: its name in `trainables.report.CHECKS`, the title of its column, and what it means."""

    name: str
    title: str
    brief: str
    meaning: str


# What a narrow screen shows first comes first.
SHOWN = (
    Check(
        "unreadable_share",
        "unreadable",
        "the classifier is not sure of their label",
        "samples that the data's classifier cannot read with confidence: it is less sure of their label than of "
        "99 % of real images, and less than 90 % sure",
    ),
    Check(
        "copied_share",
        "copied",
        "copies of a training image",
        "samples that are copies: the nearest training image is at less than a third of the distance of the tenth",
    ),
    Check(
        "coverage",
        "coverage",
        "real images with a sample near them",
        "real images that have a sample near them, by the features; more is better",
    ),
    Check(
        "label_distance",
        "labels off",
        "more or fewer of a label than among real images",
        "samples that would need another label for the labels to be as frequent as those of real images",
    ),
    Check(
        "memorised_share",
        "memorised",
        "nearer to a training image than 99 % of real images",
        "samples nearer to a training image than 99 % of real images are",
    ),
    Check(
        "repeated_share",
        "repeated",
        "nearer to each other than 99 % of real images",
        "samples nearer to another sample than 99 % of real images are to another",
    ),
)


def shown(result: ConfirmationResult) -> list[Check]:
    """Return the checks that were measured of a configuration with a standing, in the order of their columns."""
    known = [result.checks.get(standing.trial, {}) for standing in result.standings]
    return [check for check in SHOWN if any(check.name in values for values in known)]


def check_rows(result: ConfirmationResult) -> list[tuple[str, Values]]:
    """Return the configurations with checks, the best first, and then the real images, each with its values."""
    rows = [(one.trial, result.checks[one.trial]) for one in result.standings if one.trial in result.checks]
    return [*rows, (REAL, result.real)] if rows and result.real else rows


def _repeated(found: Values, real: Values) -> str:
    """Return how many samples hardly differ from another, where they are many more than of real images."""
    share, usual = found.get("repeated_share", 0.0), real.get("repeated_share", 0.0)
    if share <= usual + MANY_REPEATED:
        return ""
    return f"; {percent(share)} hardly differ from another sample (real images: {percent(usual)})"


def checks_facts(result: ConfirmationResult) -> list[Fact]:
    """Return what was measured of the samples of the best beside its FMD; nothing of a run without that."""
    found, real = result.checks.get(result.standings[0].trial, {}), result.real
    known = found.keys() & real.keys()
    if not {"copied_share", "coverage"} <= known:
        return []
    copies = "none is a copy of a training image"
    if found["copied_share"]:
        are = f"{percent(found['copied_share'])} are copies of training images"
        copies = f"{are} (real images: {percent(real['copied_share'])})"
    covered = f"they cover {percent(found['coverage'])} of the real images"
    said = f"{copies}; {covered} (other real images: {percent(real['coverage'])}){_repeated(found, real)}"
    if "unreadable_share" not in known:
        return [Fact("samples", "", said)]
    unreadable = f"the classifier is not sure of their label (real images: {percent(real['unreadable_share'])})"
    return [Fact("samples", f"{percent(found['unreadable_share'])} unreadable", f"{unreadable}; {said}")]
