"""Compare several runs that were measured by one metric on the same images."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from analysis.run.run import Run, RunError
from analysis.run.tables import Fold, fields
from analysis.statistics.confirmed import ConfirmationResult, Standing, confirmation_result, standings
from analysis.statistics.equal_seconds import rank_at_seconds
from analysis.statistics.ranking import MetricCard, metric_card, rank
from trainables.report import Report


@dataclass(frozen=True)
class Comparison:
    """Runs that compare.

    In all tables a trial is called RUN/TRIAL. The columns of `best` and `common` are those of
    `analysis.statistics.ranking.rank`.

    Attributes:
        runs: by the name that tells them apart: the run's, or its path where two have one name.
        trials: of all runs, as `Run.trials` has them.
        ranking: of all trials, at equal images or at equal seconds; for the columns see
            `analysis.statistics.ranking.rank` and `analysis.statistics.equal_seconds.rank_at_seconds`.
        at_seconds: whether `ranking` is at equal seconds.
        best: of the best trial of each run at the largest number of images seen that all runs have reached; without
            a row where there is none.
        common: for each configuration that more than one run trained, the ranking of its trials at the largest number
            of images seen that two of the runs have reached with it.
        confirmed: what was trained again with fresh seeds in any of the runs, in one race, the best first.
        unequal: why the confirmations of several runs do not compare, and are left out; else empty.
    """

    runs: Mapping[str, Run]
    card: MetricCard
    trials: pa.Table
    ranking: pa.Table
    at_seconds: bool
    best: pa.Table
    common: tuple[pa.Table, ...]
    confirmed: tuple[Standing, ...]
    unequal: str


def compare(runs: Sequence[Run], at_seconds: bool = False) -> Comparison:
    """Return the comparison of two runs or more, with all trials ranked at equal images or at equal seconds.

    Raises:
        RunError: they are fewer, or were measured by different metrics or on different images.
    """
    if len(runs) < 2:
        raise RunError("given one run: give two runs or more")
    named = by_name(runs)
    refuse_different(named)
    card = metric_card(runs[0])
    floor = card.get("floor")
    fold, budgets = _fold(named), _budgets(named)
    trials = fold.trials
    shared = [
        images
        for images, table in budgets.items()
        if len({run_of(trial) for trial in table["trial"].to_pylist()}) == len(named)
    ]
    best = _bests(budgets[max(shared)]) if shared else trials.slice(0, 0)
    results = {name: found for name, run in named.items() if (found := confirmation_result(run))}
    unequal = _unequal(results)
    return Comparison(
        runs=named,
        card=card,
        trials=trials,
        ranking=rank_at_seconds(trials, fold.curves, card) if at_seconds else rank(trials, floor),
        at_seconds=at_seconds,
        best=rank(best, floor),
        common=tuple(rank(table, floor) for table in _common(budgets)),
        confirmed=_race(results) if results and not unequal else (),
        unequal=unequal,
    )


def run_of(trial: str) -> str:
    """Return the RUN of a RUN/TRIAL, which may be a path."""
    return trial.rpartition("/")[0]


def by_name(runs: Sequence[Run]) -> dict[str, Run]:
    """Return runs by the name that tells them apart: the run's, or its path where two have one name.

    Raises:
        RunError: one of them is given twice.
    """
    paths = Counter(run.uri for run in runs)
    if twice := [path for path, count in paths.items() if count > 1]:
        raise RunError(f"{twice[0]} is given {paths[twice[0]]} times: give each run once")
    names = [run.name for run in runs]
    return {name if names.count(name) == 1 else run.uri: run for name, run in zip(names, runs, strict=True)}


def refuse_different(named: Mapping[str, Run]) -> None:
    """Raise RunError unless all runs, given by name, were measured by one metric on the same images."""
    for name, run in named.items():
        if any(start.repeats for start in run.starts().values()):
            raise RunError(f"{name} is the confirmation of a run: give that run, whose confirmed trials come first")
    cards = {name: metric_card(run) for name, run in named.items()}
    if unmeasured := [name for name, card in cards.items() if not card]:
        raise RunError(f"{unmeasured[0]} has not measured anything yet: wait for its first report, or leave it out")
    refuse_unequal("metrics", "version", {name: card["version"] for name, card in cards.items()})
    refuse_unequal("splits of the images", "split", {name: card.get("split") for name, card in cards.items()})
    data = {name: run.settings().get("data", {}) for name, run in named.items()}
    for file in sorted({file for checksums in data.values() for file in checksums}):
        sums = {name: (checksums.get(file) or "no such file")[:12] for name, checksums in data.items()}
        refuse_unequal(f"images, {file},", "data set", sums)


def refuse_unequal(what: str, kind: str, values: Mapping[str, Any]) -> None:
    """Raise RunError unless all runs, given by name, have the same value."""
    if len(set(values.values())) > 1:
        given = ", ".join(f"{name} by {value}" for name, value in values.items())
        raise RunError(f"different {what} do not compare: {given}; give runs of one {kind}")


def _unequal(results: Mapping[str, ConfirmationResult]) -> str:
    """Return why confirmations do not compare; empty if they do."""
    conditions = {
        name: f"after {found.images_seen:,} images by {found.metric['version']} on {found.metric['split']}"
        for name, found in results.items()
    }
    if len(set(conditions.values())) <= 1:
        return ""
    return ", ".join(f"{name} {condition}" for name, condition in conditions.items())


def _race(results: Mapping[str, ConfirmationResult]) -> tuple[Standing, ...]:
    """Return the confirmed trials of all runs, estimated together."""
    raced = {f"{name}/{standing.trial}": standing for name, found in results.items() for standing in found.standings}
    fmds = {name: standing.by_seed for name, standing in raced.items()}
    baselines = {name: standing.baseline for name, standing in raced.items()}
    return standings(fmds, baselines, next(iter(results.values())).metric)


def _fold(named: Mapping[str, Run], upto: float = float("inf")) -> Fold:
    """Return the state of all runs together, without the reports of more than `upto` images seen."""
    fold = Fold()
    for name, run in named.items():
        for event in run.events():
            if not isinstance(event, Report) or event.images_seen <= upto:
                fold.add(replace(event, trial=f"{name}/{event.trial}"))
    return fold


def _budgets(named: Mapping[str, Run]) -> dict[int, pa.Table]:
    """Return by images seen, the most first, the trials that reported there and had not diverged, as they were then."""
    tables = {}
    for images in sorted(set(_fold(named).curves["images_seen"].to_pylist()), reverse=True):
        measured = (pc.field("images_seen") == images) & ~pc.field("diverged")
        tables[images] = _fold(named, images).trials.filter(measured)
    return {images: table for images, table in tables.items() if len(table)}


def _bests(table: pa.Table) -> pa.Table:
    """Return the row of each run's lowest FMD."""
    best: dict[str, str] = {}
    for row in sorted(table.select(["trial", "fmd"]).to_pylist(), key=lambda row: row["fmd"]):
        best.setdefault(run_of(row["trial"]), row["trial"])
    return table.filter(pc.field("trial").isin(list(best.values())))


def _common(budgets: Mapping[int, pa.Table]) -> list[pa.Table]:
    """Return the trials of each configuration that two runs trained, from the budgets that `_budgets` returned."""
    found: dict[frozenset[tuple[str, Any]], pa.Table] = {}
    for table in budgets.values():
        trials: dict[frozenset[tuple[str, Any]], list[str]] = {}
        for row in table.select(["trial", *fields(table)]).to_pylist():
            variant = frozenset((name, row[name]) for name in fields(table) if row[name] is not None)
            trials.setdefault(variant, []).append(row["trial"])
        for variant, names in trials.items():
            if variant not in found and len({run_of(trial) for trial in names}) > 1:
                found[variant] = table.filter(pc.field("trial").isin(names))
    return list(found.values())
