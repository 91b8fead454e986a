"""Which trials ended early and why: their place at the rung where they ended, and what diverged or failed."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.page.context import ReportContext
from analysis.page.markup import Cell, Column, Markup, paragraph, section, table, tag
from analysis.page.ranking import trial
from analysis.statistics.ranking import Row

COLUMNS = (
    Column("trial"),
    Column("stopped at", True, "images seen at its last report"),
    Column("FMD", True),
    Column("place then", True, "among the trials that had reported there when it did"),
    Column("place in the end", True, "among all that reported there"),
    Column("went on", True, "of the trials that reported there"),
    Column("why"),
)
# As search/schedulers.py has them.
RULES = {
    "asha": "At a rung the best one in {eta} of those that came so far goes on (ASHA), the first to come always.",
    "promotion": "All wait at a rung, and the best one in {eta} goes on, at once or when later ones are worse.",
    "iepoch": "All wait at the first rung; when all have come the best few go on to the end.",
    "hyperband": "As in ASHA the best one in {eta} goes on, but in brackets: some trials are first compared at a later "
    "rung, some never. The places here are among all.",
    "none": "Nothing is stopped for its FMD in this search.",
}


def stopped(context: ReportContext) -> Markup:
    """Return the trials that were stopped, with their place at the rung, then those that failed."""
    ended = [row for row in context.rows.values() if row["state"] == "PRUNED" and row["images_seen"] is not None]
    content = [paragraph(_summary(context, ended))]
    if ended:
        order = _arrivals(context)
        rows = [_line(context, row, order[row["images_seen"]]) for row in ended]
        content.append(table("stopped-table", "Trials that were stopped", COLUMNS, [("", rows)]))
    if failures := _failures(context):
        content += [tag("h3", "Failed"), tag("ul", *failures)]
    return section("stopped", "What was stopped, and why", *content)


def _summary(context: ReportContext, ended: Sequence[Row]) -> str:
    if not context.rows:
        return "There are no trials yet."
    scheduler, eta = context.search.get("scheduler"), context.search.get("reduction_factor")
    count = f"{len(ended)} of {len(context.rows)} trials ended" if ended else "No trial ended"
    return f"{count} before the full budget. {RULES.get(scheduler or '', '').format(eta=eta)}".strip()


def _arrivals(context: ReportContext) -> dict[int, list[Row]]:
    """Return the reports at each budget in the order in which they came."""
    arrivals: dict[int, list[Row]] = {}
    for event in context.run.events():
        if event["event"] == "report":
            arrivals.setdefault(event["images_seen"], []).append(event)
    return arrivals


def _line(context: ReportContext, row: Row, reports: Sequence[Row]) -> list[Cell]:
    at = next(place for place, report in enumerate(reports) if report["trial"] == row["trial"])
    then, end = _place(row, reports[: at + 1]), _place(row, reports)
    further = sum((context.rows[r["trial"]]["images_seen"] or 0) > row["images_seen"] for r in reports)
    return [
        trial(context, row["trial"]),
        Cell(f"{row['images_seen']:,}", row["images_seen"]),
        Cell("diverged" if row["diverged"] else f"{row['fmd']:.1f}", row["fmd"]),
        Cell(f"{then} of {at + 1}", then),
        Cell(f"{end} of {len(reports)}", end),
        Cell(f"{further} of {len(reports)}", further),
        Cell(_why(context, row, then, at + 1)),
    ]


def _place(row: Row, reports: Sequence[Row]) -> int:
    return 1 + sum(_value(report) < _value(row) for report in reports)


def _value(report: Row) -> float:
    return float("inf") if report["diverged"] else report["fmd"]


def _why(context: ReportContext, row: Row, place: int, reported: int) -> str:
    if row["diverged"]:
        return "diverged"
    scheduler, eta = context.search.get("scheduler"), context.search.get("reduction_factor")
    if scheduler == "none" or (scheduler == "asha" and eta and place <= max(1, reported // eta)):
        return "no time left" if not row.get("training/patience") else "no time left, or its loss rose"
    return "behind others"


def _failures(context: ReportContext) -> list[Markup]:
    errors = {
        e["trial"]: e.get("error") or "" for e in context.run.events() if e["event"] == "end" and e["state"] == "FAIL"
    }
    return [tag("li", tag("strong", name), " ", _last_line(text)) for name, text in errors.items()]


def _last_line(text: str) -> str:
    lines = text.strip().split("\n")
    return lines[-1] if lines else "without a message"
