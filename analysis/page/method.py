"""How it was measured, with what, in what time, and how to do it again."""

from __future__ import annotations

import shlex
from pathlib import PurePath
from typing import Any

from analysis.page.context import ReportContext
from analysis.page.markup import Markup, commands, definitions, paragraph, section, tag
from analysis.text.configuration import describe_configuration
from analysis.text.words import duration, number

# Of the machine rather than of the search; a report is to be the same wherever its run lies.
LOCAL = ("storage_path", "address", "data_dir", "trained", "fixed", "slots")
OPTIONS = ("trials", "time_budget", "reduction_factor", "scheduler", "sampler", "seed", "against", "confirm", "seeds")


def method(context: ReportContext) -> Markup:
    """Return the metric's card, the settings, versions, time and the commands that repeat it."""
    parts = [*_metric(context), *_settings(context), *_time(context), *_again(context)]
    return section("method", "How it was done", *parts)


def _metric(context: ReportContext) -> list[Markup]:
    card = context.card
    if not card:
        return [paragraph("search.json has no metric yet.")]
    told = {"floor": "floor, real against real images (0 normalised)", "blank": "a blank set (1 normalised)"}
    told |= {"n": "generated images", "split": "real images of the split", "layer": "features", "version": "version"}
    pairs = [(told.get(name, name), f"{v:.4g}" if isinstance(v, float) else str(v)) for name, v in card.items()]
    pairs.append(("classifier, SHA-256", str(context.settings.get("classifier", "-"))))
    meaning = "Frechet distance between a classifier's features of generated and of real images (FMD); lower is better."
    return [tag("h3", "The metric"), paragraph(meaning), definitions(pairs)]


def _settings(context: ReportContext) -> list[Markup]:
    if not context.search:
        return []
    pairs = [(name.replace("_", " "), _text(value)) for name, value in context.search.items() if name not in LOCAL]
    versions = [(name, str(version)) for name, version in context.settings.get("versions", {}).items()]
    data = [(name, str(checksum)) for name, checksum in context.settings.get("data", {}).items()]
    return [
        tag("h3", "Settings"),
        definitions(pairs),
        paragraph(
            "What all trials but the literature's share: ",
            tag("code", describe_configuration(context.shared) or "nothing"),
        ),
        tag("h3", "Versions"),
        definitions(versions),
        tag("details", tag("summary", f"Checksums of the data, SHA-256 ({len(data)})"), definitions(data)),
    ]


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "-" if value is None else PurePath(str(value)).name if str(value).startswith("/") else str(value)


def _time(context: ReportContext) -> list[Markup]:
    seconds = context.settings.get("seconds")
    if not seconds:
        return []
    parts = [f"{name} {duration(value)}" for name, value in seconds.items() if name not in ("wall", "trials")]
    pairs = [
        (
            "from start to end",
            f"{duration(seconds.get('wall'))}, {context.settings.get('slots', '-')} trials at a time",
        ),
        ("trials, added up", f"{duration(seconds.get('trials'))}: {', '.join(parts)}"),
        ("overhead", f"{number(context.settings.get('overhead'), '.1%')} of the trials' time"),
        ("idle", f"{number(context.settings.get('idle'), '.1%')} of the slots' time"),
    ]
    return [tag("h3", "Time"), definitions(pairs)]


def _again(context: ReportContext) -> list[Markup]:
    run = shlex.quote(f"runs/{context.run.name}")
    lines = [search_command(context)] if context.search else []
    if context.best and not context.search.get("trained"):
        lines.append(f"python search/replay.py {run} {shlex.quote(context.best[0])}")
    lines += [f"python analysis/rank.py {run}", f"python analysis/report.py {run}", f"tensorboard --logdir {run}"]
    return [tag("h3", "To do it again"), commands(*lines)]


def search_command(context: ReportContext) -> str:
    """Return the line that searches like this again, with every option that a machine might set otherwise."""
    given = context.search
    space = given["space"] if not given["space"].startswith("/") else PurePath(given["space"]).name
    words = ["python", "search/run.py", "--space", space]
    if given.get("trained"):
        run, name = given["trained"]
        words += ["--from", f"runs/{PurePath(run).name}/{name}"]
    else:
        words += ["--dataset", given["dataset"], *(["--data-dir", "DIR"] if given.get("data_dir") else [])]
        words += ["--max-images", str(given["rungs"][-1]), "--grace-images", str(given["rungs"][0])]
    for name in OPTIONS:
        if given.get(name) is not None:
            value = given[name]
            words += ["--" + name.replace("_", "-"), f"{value:g}" if isinstance(value, float) else str(value)]
    for name, value in given.get("fixed", {}).items():
        if not given.get("trained") or name.startswith("sampler/"):
            words += ["--set", f"{name.replace('/', '.')}={value}"]
    return shlex.join(words)
