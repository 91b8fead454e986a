"""The section about how it was measured, with what, in what time, and how to do it again."""

import shlex
from pathlib import PurePath
from typing import Any

from analysis.page.context import ReportContext
from analysis.text.commands import Commands
from analysis.text.configuration import describe_configuration

# Settings of the machine rather than of the search: a report is to be the same wherever its run lies.
LOCAL = ("storage_path", "address", "data_dir", "trained", "fixed", "slots")


def method(context: ReportContext) -> dict[str, object]:
    """Return the metric's card, the settings, versions, times and the commands that repeat the search."""
    settings = context.settings
    seconds = settings.get("seconds") or {}
    commands = Commands.anywhere(context.run)
    lines = [search_command(context, commands)] if context.search else []
    if context.best and not context.search.get("trained"):
        lines.append(commands.script("search/replay.py", commands.run, shlex.quote(context.best[0])))
    scripts = ("analysis/rank.py", "analysis/report.py", "search/show.py")
    lines += [commands.script(script, commands.run) for script in scripts]
    return {
        "card": context.card,
        "search_json": settings,
        "settings": [(n.replace("_", " "), _text(v)) for n, v in context.search.items() if n not in LOCAL],
        "shared": describe_configuration(context.shared) or "nothing",
        "seconds": seconds,
        "parts": {name: value for name, value in seconds.items() if name not in ("wall", "trials")},
        "commands": lines,
    }


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = str(value)
    return PurePath(text).name if text.startswith("/") else text


def search_command(context: ReportContext, commands: Commands) -> str:
    """Return the command that repeats the search; for a longer training it is the one that trains the trial."""
    settings = context.settings
    if not (origin := settings.get("origin")):
        return commands.anew()
    words = [f"runs/{origin['run']}", origin["trial"], "--images", str(context.search["rungs"][-1])]
    words += ["--every", str(settings["every"])] if settings.get("every") else []
    words += ["--anew"] if origin["anew"] else []
    for name, value in settings.get("changes", {}).items():
        words += ["--set", f"{name}={value}"]
    # The default name is that of this run, which the command would go on with; a name has at most 100 letters.
    return commands.script("search/train.py", shlex.join([*words, "--name", f"{context.run.name[:94]}-again"]))
