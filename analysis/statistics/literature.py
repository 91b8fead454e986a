"""The literature's configurations beside the best that a search found, at equal images seen."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.run.run import Run, RunError
from analysis.statistics.comparison import by_name, refuse_different
from analysis.statistics.ranking import MetricCard, Row, metric_card

MOST_FOUND = 3


@dataclass(frozen=True)
class LiteratureComparison:
    """Reports at one number of images seen, each with the `baseline` of its trial and the index of its run as `run`.

    Attributes:
        images_seen: the largest number at which every one of the literature's configurations has reported.
        card: the metric of all runs.
        literature: in the order of `spaces.baselines`.
        found: the best of the other trials, the best first.
        stopped: the literature's configurations that have no report beyond `images_seen`, where others have.
    """

    images_seen: int
    card: MetricCard
    literature: list[Row]
    found: list[Row]
    stopped: list[str]


def compare_with_literature(runs: Sequence[Run], only: Sequence[str] | None = None) -> LiteratureComparison:
    """Return the reports of the literature's configurations, or `only` some of them, and of the best others.

    Raises:
        RunError: the runs measure by different metrics, on different images or, one of them, in its confirmation; one
            of them is given twice; or one of `only`, or all of the literature, has not reported.
    """
    from spaces.baselines import BASELINES  # with torch, two seconds, which --help does not need

    refuse_different({name: run for name, run in by_name(runs).items() if metric_card(run)})
    reports = [report for index, run in enumerate(runs) for report in _reports(index, run)]
    if only is not None:
        there = sorted({report["baseline"] for report in reports} - {""})
        if missing := [name for name in only if name not in there]:
            raise RunError(
                f"--only {missing[0]}: it has not reported; those that have are {', '.join(there) or 'none'}"
            )
        reports = [report for report in reports if report["baseline"] in ("", *only)]
    seen: dict[str, set[int]] = defaultdict(set)  # by baseline, "" of all other trials
    for report in reports:
        seen[report["baseline"]].add(report["images_seen"])
    images = _common_budget({name: of_baseline for name, of_baseline in seen.items() if name})
    rows = [report for report in reports if report["images_seen"] == images]
    order = list(BASELINES)
    literature = sorted((row for row in rows if row["baseline"]), key=lambda row: order.index(row["baseline"]))
    others = sorted((row for row in rows if not row["baseline"]), key=lambda row: (row["diverged"], row["fmd"]))
    furthest = max(max(of_baseline) for of_baseline in seen.values())
    stopped = [row["baseline"] for row in literature if max(seen[row["baseline"]]) == images < furthest]
    card = next(filter(None, map(metric_card, runs)), None)
    if card is None:
        raise RunError(f"{runs[0].uri} has no settings, which name its metric: bring them back from a copy of the run")
    return LiteratureComparison(images, card, literature, others[:MOST_FOUND], stopped)


def _reports(index: int, run: Run) -> list[Row]:
    baseline = {row["trial"]: row["baseline"] for row in run.trials().select(["trial", "baseline"]).to_pylist()}
    return [{**row, "run": index, "baseline": baseline[row["trial"]]} for row in run.curves().to_pylist()]


def _common_budget(seen: Mapping[str, set[int]]) -> int:
    """Return the largest of the numbers of images seen that all baselines have reported at."""
    if not seen:
        raise RunError("no row of the literature has reported; run --space literature, which trains them all")
    common = set.intersection(*seen.values())
    if not common:
        names = ", ".join(sorted(seen))
        raise RunError(f"{names} have reported at no number of images in common; give runs of equal --max-images")
    return max(common)
