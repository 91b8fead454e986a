"""Say what the features of other networks tell of a confirmation's order."""

from analysis.run.evaluations import REAL
from analysis.statistics.confirmed import ConfirmationResult
from analysis.statistics.opinions import Opinion
from analysis.text.behind import amount
from analysis.text.facts import Fact
from analysis.text.words import listed

# By the names of `trainables.report.OTHERS`: the title of a column, and what the network learned.
TITLES = {"by_labels": "by labels", "by_rotations": "by rotations"}
LEARNED = {"by_labels": "the labels", "by_rotations": "how an image is turned"}


def opinion_titles(result: ConfirmationResult) -> list[str]:
    """Return the titles of the columns of distances by other networks."""
    return [TITLES[opinion.name] for opinion in result.opinions]


def opinion_rows(result: ConfirmationResult) -> list[tuple[str, list[float]]]:
    """Return FMD and the distances by other networks of each configuration, the best first, and of real images."""
    rows = [
        (one.trial, [one.fmd, *(opinion.means[one.trial] for opinion in result.opinions)]) for one in result.standings
    ]
    names = [opinion.name for opinion in result.opinions]
    if names and result.real.keys() >= set(names):
        rows.append((REAL, [result.metric["floor"], *(result.real[name] for name in names)]))
    return rows


def opinion_facts(result: ConfirmationResult) -> list[Fact]:
    """Return how many other networks put the same configuration first, and what the others say; nothing without any."""
    best = result.standings[0].trial
    if not result.opinions:
        return []
    agreeing = [LEARNED[opinion.name] for opinion in result.opinions if opinion.behind is None]
    said = [f"it is first by what learned {listed(agreeing)}"] if agreeing else []
    said += [_otherwise(opinion, best) for opinion in result.opinions if opinion.behind is not None]
    return [Fact("other networks", f"{len(agreeing)} of {len(result.opinions)} agree", "; ".join(said))]


def _otherwise(opinion: Opinion, best: str) -> str:
    assert opinion.behind is not None  # of those that put another one first
    told = "" if opinion.behind.certain else ", which chance may do"
    first = f"by what learned {LEARNED[opinion.name]} {opinion.first} is first"
    return f"{first} ({best} {amount(opinion.behind, 'distance')}{told})"
