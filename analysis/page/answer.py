"""The first section of the page: which configuration is best, how surely, and what to do next."""

from pathlib import PurePath

from analysis.page.context import ReportContext
from analysis.page.pictures import picture
from analysis.run.tables import fields
from analysis.text import answer as words
from analysis.text.commands import Commands
from analysis.text.configuration import describe_configuration
from analysis.text.next_steps import steps
from analysis.text.words import count_states, duration


def answer(context: ReportContext) -> dict[str, object]:
    """Return the answer of the run, in the words of the terminal, and what to do next."""
    states, found = context.trials["state"].to_pylist(), words.answer(context.run)
    if found is None:
        return {"answer": None, "running": states.count("RUNNING"), "facts": _facts(context, states)}
    guidance = context.result.guidance.get(found.trial) if context.result else None
    chosen = {"sampler/guidance": guidance[1]} if guidance else {}
    own = {name: context.rows[found.trial].get(name) for name in fields(context.trials)}
    ended = context.settings.get("status") == "done"
    run, row = context.pictured(found.trial)
    return {
        "answer": found,
        "configuration": describe_configuration(own | chosen),
        "steps": steps(context.run, Commands.anywhere(context.run)) if ended else [],
        "facts": _facts(context, states),
        "picture": picture(run, run.picture(row["trial"], "samples")),
        "real": picture(context.run, context.run.real_images),
    }


def _facts(context: ReportContext, states: list[str]) -> list[tuple[str, str]]:
    counts = count_states(states)
    diverged = len([row for row in context.rows.values() if row["diverged"]])
    if diverged:
        counts += f"; {diverged} diverged"
    facts = [
        ("Trials", f"{len(states)}: {counts}" if counts else "none yet"),
        ("Data", _data(context)),
        ("Rungs, in images seen", ", ".join(f"{images:,}" for images in context.search.get("rungs") or [])),
        ("Time", duration(context.run.used_seconds() or None)),
    ]
    return [(term, meaning) for term, meaning in facts if meaning]


def _data(context: ReportContext) -> str:
    """Return the name of the data set, without the folder of images of the user's own, and what it holds."""
    name = PurePath(str(context.search.get("dataset", "-"))).name
    card = context.settings.get("data_card")
    return f"{name}: {card['images'].partition(', ')[0]}" if card else name
