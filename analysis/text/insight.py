"""Write what a run shows besides its ranking as text: importances, effects, rung correlations, fronts, schedules."""

from dataclasses import asdict
from itertools import groupby
from typing import Any

from analysis.run.run import Run
from analysis.statistics.comparable_trials import ENOUGH, comparable_trials
from analysis.statistics.effects import Effect, effects
from analysis.statistics.importances import importances
from analysis.statistics.pareto import COSTS, front_budget, points
from analysis.statistics.ranking import ranked_rows
from analysis.statistics.rung_correlation import FEWEST, rung_correlation
from analysis.statistics.schedules import CURVES, ScheduleCurve, schedule_curves
from analysis.text.formats import Block, Part, Sheet
from analysis.text.words import fmd_form, fmd_text, interval_text

BEST = 5  # schedules; as many as have a colour on the page
STEPS = 10


def insight_blocks(run: Run) -> list[Block]:
    """Return a sentence for each of the four parts, and its table unless there is too little to show."""
    return [*_importances(run), *_effects(run), *_correlations(run), *_fronts(run)]


def _compared(run: Run) -> str:
    """Say which trials importances and effects are about."""
    compared = comparable_trials(run)
    if compared is None:
        return "the search has no report of a trial of its own"
    text = f"{len(compared.trials)} trials that the search drew, at {compared.images_seen:,} images seen"
    return f"{text}, survivors of {compared.reported}" if compared.selected else text


def _importances(run: Run) -> list[Block]:
    found = importances(run)
    if not found:
        return [f"Which fields mattered takes {ENOUGH} trials at one budget: {_compared(run)}."]
    title = (
        f"Which fields mattered: {_compared(run)}. Low to high: 95 %. Without influence a field is below chance in "
        "95 % of cases."
    )
    columns = ("field", "share", "low", "high", "chance", "trials")
    rows = []
    for item in found:
        shares = [f"{100 * share:.0f} %" for share in (item.value, item.low, item.high, item.chance)]
        rows.append([item.name, *shares, str(item.trials)])
    return [title, Sheet(columns, ("field",), [("", rows)])]


def _effects(run: Run) -> list[Block]:
    found = effects(run)
    if not found:
        return [f"The effect of each choice takes more trials of the same choice: {_compared(run)}."]
    parts: list[Part] = []
    form = fmd_form(min(item.fmd for item in found))
    for name, group in groupby(found, key=lambda item: item.name):
        rows = [[i.option, str(i.trials), f"{i.fmd:{form}}", effect_interval(i, form)] for i in group]
        parts.append((name, rows))
    title = f"The effect of each choice, as geometric mean FMD: {_compared(run)}."
    return [title, Sheet(("choice", "trials", "FMD", "95 % interval"), ("choice",), parts)]


def effect_interval(effect: Effect, form: str) -> str:
    """Return the interval of an effect as text; a dash where it has none."""
    return "-" if effect.low is None or effect.high is None else interval_text(effect.low, effect.high, form)


def _correlations(run: Run) -> list[Block]:
    found = rung_correlation(run)
    if not found:
        return [f"How well a rung predicts the end takes {FEWEST} trials that reported at two."]
    title = "How well the order at a rung predicts the later order"
    if any(item.stopped for item in found):
        title += "; only of trials that were not pruned in between, which brings it towards zero"
    columns = ("images seen", "later", "trials", "pruned", "Spearman", "95 % interval", "Kendall")
    rows = [
        [
            f"{item.images_seen:,}",
            f"{item.final:,}",
            str(item.trials),
            str(item.stopped),
            f"{item.spearman:.2f}",
            f"{item.low:.2f} to {item.high:.2f}",
            f"{item.kendall:.2f}",
        ]
        for item in found
    ]
    return [f"{title}.", Sheet(columns, (), [("", rows)])]


def _fronts(run: Run) -> list[Block]:
    parts = [
        (COSTS[cost], [[p.trial, f"{p.cost:,.10g}", fmd_text(p.fmd)] for p in found if p.dominated_by is None])
        for cost, found in points(run).items()
    ]
    if not parts:
        return ["What a lower FMD costs: no two trials at one budget differ in any cost."]
    title = f"What a lower FMD costs, at {front_budget(run):,} images seen: trials that no other beats in both."
    return [title, Sheet(("trial", "cost", "FMD"), ("trial",), parts)]


def insight_content(run: Run) -> dict[str, Any]:
    """Return the four parts as plain values."""
    compared = comparable_trials(run)
    return {
        "run": run.name,
        "images_seen": None if compared is None else compared.images_seen,
        "trials": None if compared is None else len(compared.trials),
        "reported": None if compared is None else compared.reported,
        "importances": [asdict(item) for item in importances(run)],
        "effects": [asdict(item) for item in effects(run)],
        "rung_correlation": [asdict(item) for item in rung_correlation(run)],
        "front_images_seen": front_budget(run),
        "fronts": {cost: [asdict(p) for p in found if p.dominated_by is None] for cost, found in points(run).items()},
    }


def schedule_blocks(run: Run) -> list[Block]:
    """Return a table of beta, alpha_bar and log-SNR at t = T/10, ..., T for each schedule of the best trials."""
    found = _of_the_best(run)
    if not found:
        return ["No trial with a known schedule has reported."]
    parts: list[Part] = []
    for one in found:
        steps = dict.fromkeys(max(1, round(one.T * k / STEPS)) for k in range(1, STEPS + 1))
        rows = [[f"{t:,}", *(f"{getattr(one, curve)[t - 1]:.4g}" for curve in CURVES)] for t in steps]
        parts.append((f"{one.name}: {', '.join(one.trials)}", rows))
    title = (
        f"Noise schedules of the best {BEST} trials; log-SNR is the natural logarithm of alpha_bar / (1 - alpha_bar)."
    )
    return [title, Sheet(("t", *CURVES.values()), ("t",), parts)]


def schedule_content(run: Run) -> list[dict[str, Any]]:
    """Return the schedules of the best trials as plain values, at every t from 1 to T."""
    return [asdict(one) for one in _of_the_best(run)]


def _of_the_best(run: Run) -> list[ScheduleCurve]:
    best = [row["trial"] for row in ranked_rows(run)[:BEST]]
    rows = {row["trial"]: row for row in run.trials().to_pylist()}
    return schedule_curves([rows[name] for name in best])
