"""The first section of the page: which configuration is best, as far as the run can tell."""

from collections import Counter
from pathlib import PurePath

from analysis.page.context import ReportContext
from analysis.page.pictures import picture
from analysis.run.tables import fields
from analysis.statistics.ranking import indistinguishable
from analysis.text.configuration import describe_configuration
from analysis.text.confirmation import conclusions
from analysis.text.labels import labels_sentence
from analysis.text.words import count_states, duration, listed


def answer(context: ReportContext) -> dict[str, object]:
    """Return the best configuration, by the confirmation or else by the search, and what may be concluded from it."""
    states = context.trials["state"].to_pylist()
    if not context.ranked:
        return {"trial": None, "running": Counter(states)["RUNNING"], "facts": _facts(context, states)}
    result, trial = context.result, context.best[0]
    standing = result.standings[0] if result is not None and result.standings else None
    row = context.rows.get(trial, {})
    return {
        "trial": trial,
        "standing": standing,
        "row": row,
        "full": (context.search.get("rungs") or [0])[-1],
        "words": context.words.get(trial, ""),
        "configuration": describe_configuration({name: row.get(name) for name in fields(context.trials)}),
        "conclusions": conclusions(context.run, result) if result is not None else [],
        "labels": labels_sentence(context.trials, context.order),
        "others": "" if standing else _not_told_from(context),
        "name": context.run.name,
        "count": len(context.ranked),
        "one_model": bool(context.search.get("trained")),
        "facts": _facts(context, states),
        "picture": picture(context.run.sample_grid(trial)),
    }


def _not_told_from(context: ReportContext) -> str:
    best, *others = context.ranked
    same = [row for row in others if row["images_seen"] == best["images_seen"] and indistinguishable(best, row)]
    return listed([row["trial"] for row in same])


def _facts(context: ReportContext, states: list[str]) -> list[tuple[str, str]]:
    counts = count_states(states)
    diverged = len([row for row in context.rows.values() if row["diverged"]])
    if diverged:
        counts += f"; {diverged} diverged"
    facts = [
        ("Trials", f"{len(states)}: {counts}" if counts else "none yet"),
        ("Data", _data(context)),
        ("Images seen", ", ".join(f"{images:,}" for images in context.search.get("rungs") or [])),
        ("Time", duration(context.run.used_seconds() or None)),
    ]
    return [(term, meaning) for term, meaning in facts if meaning]


def _data(context: ReportContext) -> str:
    """Return the name of the data set, without the folder of images of the user's own, and what it holds."""
    name = PurePath(str(context.search.get("dataset", "-"))).name
    card = context.settings.get("data_card")
    return f"{name}: {card['images'].partition(', ')[0]}" if card else name
