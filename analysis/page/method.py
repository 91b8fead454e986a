"""The section about how it was measured, with what, in what time, and how to do it again."""

import shlex
from pathlib import PurePath
from typing import Any

from analysis.page.context import ReportContext
from analysis.text.configuration import describe_configuration

# Settings of the machine rather than of the search: a report is to be the same wherever its run lies.
LOCAL = ("storage_path", "address", "data_dir", "trained", "fixed", "slots")
OF_IMAGES = {"image_size": None, "channels": None, "background": "white", "groups": None}  # with their defaults
OPTIONS = ("trials", "time_budget", "reduction_factor", "scheduler", "sampler", "seed", "against", "confirm", "seeds")


def method(context: ReportContext) -> dict[str, object]:
    """Return the metric's card, the settings, versions, times and the commands that repeat the search."""
    settings = context.settings
    seconds = settings.get("seconds") or {}
    run = shlex.quote(f"runs/{context.run.name}")
    commands = [search_command(context)] if context.search else []
    if context.best and not context.search.get("trained"):
        commands.append(f"python search/replay.py {run} {shlex.quote(context.best[0])}")
    commands += [f"python analysis/rank.py {run}", f"python analysis/report.py {run}", f"python search/show.py {run}"]
    return {
        "card": context.card,
        "search_json": settings,
        "settings": [(n.replace("_", " "), _text(v)) for n, v in context.search.items() if n not in LOCAL],
        "shared": describe_configuration(context.shared) or "nothing",
        "seconds": seconds,
        "parts": {name: value for name, value in seconds.items() if name not in ("wall", "trials")},
        "commands": commands,
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


def search_command(context: ReportContext) -> str:
    """Return the command that repeats the search, with every option that another machine might set otherwise.

    For a longer training it is the one that trains the trial.
    """
    given = context.search
    if origin := context.settings.get("origin"):
        anew = ["--anew"] if origin["anew"] else []
        images = ["--images", str(given["rungs"][-1])]
        return shlex.join(["python", "search/train.py", f"runs/{origin['run']}", origin["trial"], *images, *anew])
    space = given["space"]
    words = ["python", "search/run.py", "--space", PurePath(space).name if space.startswith("/") else space]
    trained = given.get("trained")
    if trained:
        run, name = trained
        words += ["--from", f"runs/{PurePath(run).name}/{name}"]
    else:
        words += ["--dataset", PurePath(given["dataset"]).name]
        if given.get("data_dir"):
            words += ["--data-dir", "DIR"]
        of_images = {name: given.get(name, default) for name, default in OF_IMAGES.items()}
        words += [f"--{n.replace('_', '-')}={v}" for n, v in of_images.items() if v != OF_IMAGES[n]]
        words += ["--skip-damaged"] if given.get("skip_damaged") else []
        words += ["--max-images", str(given["rungs"][-1]), "--grace-images", str(given["rungs"][0])]
    for name in OPTIONS:
        value = given.get(name)
        if value is not None:
            words += ["--" + name.replace("_", "-"), f"{value:g}" if isinstance(value, float) else str(value)]
    for name, value in given.get("fixed", {}).items():
        if not trained or name.startswith("sampler/"):
            words += ["--set", f"{name.replace('/', '.')}={value}"]
    return shlex.join(words)
