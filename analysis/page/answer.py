"""The first thing on the page: which configuration is best, as far as the run can tell."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from analysis.page.context import ReportContext
from analysis.page.markup import Markup, code, definitions, join, paragraph, section, tag
from analysis.page.pictures import picture
from analysis.run.tables import fields
from analysis.statistics.ranking import indistinguishable
from analysis.text.configuration import describe_configuration
from analysis.text.confirmation import conclusions
from analysis.text.words import duration, listed, number

if TYPE_CHECKING:
    from analysis.statistics.confirmed import ConfirmationResult

TITLE = "What came out"
STATUS = {"running": "This search was going on when the page was made.", "interrupted": "This search was interrupted."}


def answer(context: ReportContext) -> Markup:
    """Return the best configuration with its number, and what may be concluded from it and what not."""
    if not context.ranked:
        return section("answer", TITLE, *_nothing(context), _facts(context))
    told = _confirmed(context, context.result) if context.result else _searched(context)
    best = context.best[0]
    shown = picture(context.run.sample_grid(best), f"samples of {best}")
    return section("answer", TITLE, tag("div", tag("div", *told, _facts(context)), shown, class_="beside"))


def _nothing(context: ReportContext) -> list[Markup]:
    states = Counter(context.trials["state"].to_pylist())
    if states["RUNNING"]:
        text = f"No trial has a result yet; running: {states['RUNNING']}. Make this page again once some have."
    else:
        text = "No trial gave a result."
    return [paragraph(text)]


def _searched(context: ReportContext) -> list[Markup]:
    best = context.ranked[0]
    full = (context.search.get("rungs") or [best["images_seen"]])[-1]
    reached = f"{best['images_seen']:,} images" + ("" if best["images_seen"] >= full else f" of {full:,}")
    value = tag("span", number(best["fmd_normalised"]), class_="value")
    error = f"FMD {best['fmd']:.1f} ± {number(best['fmd_se'], '.1f')} (standard error of its samples), {reached}"
    lines = [
        tag("p", tag("strong", best["trial"]), " ", context.words[best["trial"]], class_="best"),
        tag("p", value, " normalised FMD", class_="headline"),
        tag("p", "0 is real images, 1 is a blank set. ", error, ".", class_="note"),
    ]
    others = [r for r in context.ranked[1:] if r["images_seen"] == best["images_seen"] and indistinguishable(best, r)]
    if others:
        names = listed([row["trial"] for row in others])
        lines.append(paragraph(f"Cannot be told from it by their FMD: {names}."))
    lines.append(_caution(context))
    return [*lines, _configuration(context, best["trial"])]


def _caution(context: ReportContext) -> Markup:
    count = len(context.ranked)
    if context.search.get("trained"):
        return paragraph(
            f"This is one set of samples of one trained model, the best of {count}, picked by the number that it is "
            "reported by: another draw of noise, or another training, gives another number."
        )
    command = f"search/run.py --resume {context.run.name} --confirm 3"
    return paragraph(
        f"This is one training of one seed, the best of {count}, picked by the number that it is reported by: expect a "
        "somewhat higher one when it is trained again. To train the best again with fresh seeds, and judge them on "
        "other real images: ",
        code(f"python {command}"),
    )


def _confirmed(context: ReportContext, result: ConfirmationResult) -> list[Markup]:
    best = result.standings[0]
    value = tag("span", number(best.normalised), class_="value")
    low, high = number(best.normalised_low), number(best.normalised_high)
    seeds = f"{len(best.fmds)} trainings with fresh seeds" if len(best.fmds) > 1 else "one training with a fresh seed"
    return [
        tag("p", tag("strong", best.trial), " ", context.words.get(best.trial, ""), class_="best"),
        tag("p", value, " normalised FMD, 95 % interval ", f"{low} to {high}", class_="headline"),
        tag(
            "p",
            f"0 is real images, 1 is a blank set. FMD {best.fmd:.1f}, from {best.low:.1f} to {best.high:.1f}: the mean "
            f"of {seeds}, on real images that the search did not see.",
            class_="note",
        ),
        *(paragraph(sentence) for sentence in conclusions(context.run, result)),
        _configuration(context, best.trial),
    ]


def _configuration(context: ReportContext, trial: str) -> Markup:
    row = context.rows.get(trial, {})
    words = describe_configuration({name: row.get(name) for name in fields(context.trials)})
    return tag("details", tag("summary", "Its configuration in full"), paragraph(code(words)))


def _facts(context: ReportContext) -> Markup:
    states = Counter(context.trials["state"].to_pylist())
    diverged = sum(bool(row["diverged"]) for row in context.rows.values())
    words = {"COMPLETE": "trained in full", "PRUNED": "stopped early", "RUNNING": "running", "FAIL": "failed"}
    counts = [f"{states[state]} {text}" for state, text in words.items() if states[state]]
    if diverged:
        counts.append(f"{diverged} diverged")
    pairs = [("Trials", f"{len(context.trials)}: {', '.join(counts)}" if counts else "none yet")]
    pairs.append(("Data", str(context.search.get("dataset", "-"))))
    if budgets := context.search.get("rungs"):
        pairs.append(("Images seen", ", ".join(f"{images:,}" for images in budgets)))
    pairs.append(("Time", duration(context.settings.get("wall_seconds"))))
    return tag("div", definitions(pairs), class_="facts")


def heading(context: ReportContext) -> Markup:
    """Return the page's title, what the space asks and how the run stands."""
    told = (context.settings.get("space"), STATUS.get(context.settings.get("status", "")))
    return join(tag("h1", context.run.name), *(tag("p", text, class_="lead") for text in told if text))
