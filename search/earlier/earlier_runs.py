"""`--warm-start RUN...`: the trials of earlier runs whose values compare with those of a new search."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from analysis.run.earlier import EarlierTrial
from analysis.run.run import Run
from search.declaration import SettingsError
from search.settings import Settings, located, with_budgets


def with_runs(given: dict[str, Any]) -> dict[str, Any]:
    """Return the options given, with the places of the runs that `--warm-start` names.

    Raises:
        RunError: one is no run.
    """
    if "warm_start" not in given:
        return given
    opened = [Run.open(located(name)) for name in given["warm_start"]]
    return {**given, "warm_start": tuple(dict.fromkeys(run.uri for run in opened))}


def take_over(settings: Settings, checksums: Mapping[str, str], metric: Mapping[str, Any]) -> list[EarlierTrial]:
    """Return the trials of the runs that a new search begins with; `metric` is the card of its metric.

    Raises:
        SettingsError: a run has other data, another metric or another trained model, or no trial of it has reported.
    """
    taken: list[EarlierTrial] = []
    for place in settings.warm_start:
        run = Run.open(place)
        if (difference := _difference(run, settings, checksums, metric)) is not None:
            raise SettingsError(f"--warm-start {place}: {difference}; leave it out")
        trials = list(_trials(run, place))
        if not trials:
            raise SettingsError(f"--warm-start {place}: no trial of it has reported; leave it out")
        taken += trials
    return taken


def _difference(run: Run, settings: Settings, checksums: Mapping[str, str], metric: Mapping[str, Any]) -> str | None:
    """Return why the values of a run do not compare with those of a new search; None where they do."""
    before = run.settings()
    its = before.get("metric")
    if its is None or "settings" not in before:
        return "it ended before it began"
    if before.get("data") != checksums:
        return f"its data, {before['settings']['dataset']}, are not those of this search, {settings.dataset}"
    if (its["split"], its["version"]) != (metric["split"], metric["version"]):
        there, here = (f"{one['version']} against the {one['split']} images" for one in (its, metric))
        return f"its FMDs are {there}, here they would be {here}, which do not compare"
    theirs, ours = (list(trained or ()) for trained in (before["settings"]["trained"], settings.trained))
    if theirs != ours:
        return f"its trials sample from {_model(theirs)}, here from {_model(ours)}"
    return None


def _model(trained: Sequence[str]) -> str:
    return f"the trained model {'/'.join(trained)}" if trained else "what they train"


def _trials(run: Run, place: str) -> Iterator[EarlierTrial]:
    """Yield the trials of a run that have reported and did not fail."""
    full = with_budgets(run.settings()["settings"])["max_images"]
    reports, ends = run.reports(), run.ends()
    for name, start in run.starts().items():
        if name in reports and (name not in ends or ends[name].state != "FAILED"):
            ordered = tuple(sorted(reports[name], key=lambda report: report.images_seen))
            yield EarlierTrial(place, name, full, dict(start.variant), ordered)
