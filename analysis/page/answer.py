"""The first section of the page: which configuration is best, as far as the run can tell."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from analysis.page.context import ReportContext
from analysis.page.pictures import picture
from analysis.run.tables import fields
from analysis.statistics.confirmed import ConfirmationResult
from analysis.statistics.ranking import indistinguishable
from analysis.text.configuration import describe_configuration
from analysis.text.confirmation import conclusions
from analysis.text.words import count_states, duration, listed, number


@dataclass(frozen=True)
class Best:
    """The best trial: its configuration, its normalised FMD, what that is measured on, and what follows from it."""

    trial: str
    words: str
    configuration: str
    confirmed: bool
    normalised: str
    interval: str
    measured: str
    sentences: list[str]


def answer(context: ReportContext) -> dict[str, object]:
    """Return the best configuration with its number, and what may be concluded from it."""
    best = None
    if context.ranked:
        result = context.result
        best = _confirmed(context, result) if result is not None and result.standings else _searched(context)
    pictured = context.best[0] if context.best else ""
    return {
        "name": context.run.name,
        "best": best,
        "missing": _missing(context),
        "count": len(context.ranked),
        "one_model": bool(context.search.get("trained")),
        "facts": _facts(context),
        "picture": picture(context.run.sample_grid(pictured)) if pictured else None,
        "pictured": pictured,
    }


def _missing(context: ReportContext) -> str:
    states = Counter(context.trials["state"].to_pylist())
    if states["RUNNING"]:
        return f"No trial has a result yet; running: {states['RUNNING']}. Make this page again once some have."
    return "No trial gave a result."


def _searched(context: ReportContext) -> Best:
    best = context.ranked[0]
    images, budgets = best["images_seen"], context.search.get("rungs") or [best["images_seen"]]
    reached = f"{images:,} images" if images >= budgets[-1] else f"{images:,} images of {budgets[-1]:,}"
    others = [row for row in context.ranked[1:] if row["images_seen"] == images and indistinguishable(best, row)]
    sentences = conclusions(context.run, context.result) if context.result is not None else []
    if others:
        sentences.append(f"Cannot be told from it by their FMD: {listed([row['trial'] for row in others])}.")
    error = number(best["fmd_se"], ".1f")
    return Best(
        trial=best["trial"],
        words=context.words[best["trial"]],
        configuration=_configuration(context, best["trial"]),
        confirmed=False,
        normalised=number(best["fmd_normalised"]),
        interval="",
        measured=f"FMD {best['fmd']:.1f} ± {error} (standard error of its samples), {reached}.",
        sentences=sentences,
    )


def _confirmed(context: ReportContext, result: ConfirmationResult) -> Best:
    best = result.standings[0]
    count = len(best.fmds)
    seeds = "one training with a fresh seed" if count == 1 else f"{count} trainings with fresh seeds"
    fmd = f"FMD {best.fmd:.1f}, from {best.low:.1f} to {best.high:.1f}"
    return Best(
        trial=best.trial,
        words=context.words.get(best.trial, ""),
        configuration=_configuration(context, best.trial),
        confirmed=True,
        normalised=number(best.normalised),
        interval=f"{number(best.normalised_low)} to {number(best.normalised_high)}",
        measured=f"{fmd}: the mean of {seeds}, on real images that the search did not see.",
        sentences=conclusions(context.run, result),
    )


def _configuration(context: ReportContext, trial: str) -> str:
    row = context.rows.get(trial, {})
    return describe_configuration({name: row.get(name) for name in fields(context.trials)})


def _facts(context: ReportContext) -> list[tuple[str, str]]:
    counts = count_states(context.trials["state"].to_pylist())
    diverged = len([row for row in context.rows.values() if row["diverged"]])
    if diverged:
        counts += f"; {diverged} diverged"
    facts = [
        ("Trials", f"{len(context.trials)}: {counts}" if counts else "none yet"),
        ("Data", str(context.search.get("dataset", "-"))),
        ("Images seen", ", ".join(f"{images:,}" for images in context.search.get("rungs") or [])),
        ("Time", duration(context.settings.get("wall_seconds"))),
    ]
    return [(term, meaning) for term, meaning in facts if meaning]
