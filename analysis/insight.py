"""What a run tells besides its ranking: `python analysis/insight.py RUN [--format table|markdown|latex|json]`.

Which fields mattered (importances.py), what each choice came to (effects.py), how well the order at
each rung told the order at the end (rung_correlation.py), and what a lower FMD costs (pareto.py).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    # Python put this folder first on the path, where `statistics` hides the standard library's.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from analysis.run.run import Run
from analysis.statistics.comparable_trials import ENOUGH, cohort
from analysis.statistics.effects import Effect, effects
from analysis.statistics.importances import importances
from analysis.statistics.pareto import COSTS, front_budget, points
from analysis.statistics.rung_correlation import FEWEST, RungCorrelation, rung_correlation
from analysis.text import formats
from analysis.text.arguments import Parser
from analysis.text.formats import Sheet

Shown = tuple[str, Sheet | None]  # a line that says what it is, or why there is nothing, and the table


def insight(run: Run) -> dict[str, Any]:
    """Return all of it as plain values."""
    compared = cohort(run)
    return {
        "run": run.name,
        "images_seen": compared and compared.images_seen,
        "trials": compared and len(compared.rows),
        "reported": compared and compared.reported,
        "importances": [asdict(found) for found in importances(run)],
        "effects": [asdict(found) for found in effects(run)],
        "rung_correlation": [asdict(found) for found in rung_correlation(run)],
        "front_images_seen": front_budget(run),
        "fronts": {cost: [asdict(p) for p in found if p.dominated_by is None] for cost, found in points(run).items()},
    }


def sheets(run: Run) -> list[Shown]:
    """Return all of it as tables of texts."""
    return [_importances(run), _effects(run), _correlations(run), _fronts(run)]


def _among(run: Run) -> str:
    compared = cohort(run)
    if compared is None:
        return "the search has no report of a trial of its own"
    among = f"{len(compared.rows)} trials that the search drew, at {compared.images_seen:,} images seen"
    return among + (f", survivors of {compared.reported}" if compared.selected else "")


def _importances(run: Run) -> Shown:
    if not (found := importances(run)):
        return f"Which fields mattered takes {ENOUGH} trials at one budget: {_among(run)}.", None
    rows = [[i.name, *map(_percent, (i.value, i.low, i.high, i.chance)), str(i.trials)] for i in found]
    title = (
        f"Which fields mattered: {_among(run)}. Low to high: 95 %. Without influence a field is below chance in 95 %."
    )
    return title, Sheet(("field", "share", "low", "high", "chance", "trials"), ("field",), [("", rows)])


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _effects(run: Run) -> Shown:
    if not (found := effects(run)):
        return f"What each choice came to takes more trials of the same choice: {_among(run)}.", None
    parts = [(name, [_effect(effect) for effect in group]) for name, group in groupby(found, key=lambda e: e.name)]
    title = f"What each choice came to, as geometric mean FMD: {_among(run)}."
    return title, Sheet(("choice", "trials", "FMD", "95 % interval"), ("choice",), parts)


def _effect(effect: Effect) -> list[str]:
    return [effect.option, str(effect.trials), f"{effect.fmd:.4g}", f"{effect.low:.4g} to {effect.high:.4g}"]


def _correlations(run: Run) -> Shown:
    if not (found := rung_correlation(run)):
        return f"How well a rung tells the end takes {FEWEST} trials that reported at two.", None
    title = "How well the order at a rung tells the later order"
    if any(c.selected for c in found):
        title += "; only of trials that were not stopped in between, which brings it towards zero"
    columns = ("images seen", "later", "trials", "stopped", "Spearman", "95 % interval", "Kendall")
    return f"{title}.", Sheet(columns, (), [("", [_correlation(c) for c in found])])


def _correlation(found: RungCorrelation) -> list[str]:
    budgets = [f"{found.images_seen:,}", f"{found.final:,}", str(found.trials), str(found.stopped)]
    return [*budgets, f"{found.spearman:.2f}", f"{found.low:.2f} to {found.high:.2f}", f"{found.kendall:.2f}"]


def _fronts(run: Run) -> Shown:
    parts = [
        (
            COSTS[cost],
            [[point.trial, f"{point.cost:,.10g}", f"{point.fmd:.4g}"] for point in found if not point.dominated_by],
        )
        for cost, found in points(run).items()
    ]
    if not parts:
        return "What a lower FMD costs: no two trials at one budget differ in any cost.", None
    title = f"What a lower FMD costs, at {front_budget(run):,} images seen: trials that no other beats in both."
    return title, Sheet(("trial", "cost", "FMD"), ("trial",), parts)


def display(run: Run) -> None:
    """Print all of it as tables."""
    console = formats.console()
    for title, sheet in sheets(run):
        console.print(title, markup=False, highlight=False)
        if sheet:
            console.print(formats.terminal(sheet))
        console.print()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0, or 2 for a usage error."""
    parser = Parser(prog="insight.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="the folder of a run, such as runs/degradations; it may still be going on")
    parser.add_argument("--format", choices=("table", "markdown", "latex", "json"), default="table")
    given = parser.parse_args(arguments)
    return parser.carry_out(lambda: _write(Run.open(given.run), given.format))


def _write(run: Run, name: str) -> None:
    if name == "table":
        display(run)
    elif name == "json":
        formats.write(json.dumps(insight(run), indent=2) + "\n")
    else:
        form = {"markdown": formats.markdown, "latex": formats.latex}[name]
        comment = formats.comment if name == "latex" else "{}\n".format
        for title, sheet in sheets(run):
            formats.write(f"{comment(title)}\n{form(sheet) if sheet else ''}\n")


if __name__ == "__main__":
    sys.exit(main())
