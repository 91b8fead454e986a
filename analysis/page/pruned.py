"""The section about the trials that ended early: their place at the rung where they ended, and what failed."""

import math
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Container
from dataclasses import dataclass, field

from analysis.page.context import ReportContext
from analysis.page.elements import Cell, valued
from analysis.run.events import End, Start
from analysis.run.run import Run
from analysis.statistics.measures import first_trial
from analysis.statistics.ranking import Row
from analysis.text.words import fmd_text
from trainables.report import Report


@dataclass
class Arrivals:
    """The reports at a number of images seen, in the order in which they came.

    Attributes:
        places: by trial its place among those that had reported when it did, and how many these were.
        fmds: of all, ascending; that of a trial that diverged is infinite.
        continued: how many of the trials reported later, too.
    """

    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    fmds: list[float] = field(default_factory=list)
    continued: int = 0

    def add(self, report: Report, continued: bool) -> None:
        """Take in the next report."""
        fmd = math.inf if report.diverged else report.fmd
        insort(self.fmds, fmd)
        self.places[report.trial] = self.place(fmd), len(self.fmds)
        if continued:
            self.continued += 1

    def place(self, fmd: float) -> int:
        """Return the place of an FMD among all so far, from 1."""
        return 1 + bisect_left(self.fmds, fmd)


def pruned(context: ReportContext) -> dict[str, object]:
    """Return the trials that were pruned, with their place at the rung, then those that failed."""
    ended = [row for row in context.rows.values() if row["state"] == "PRUNED" and row["images_seen"] is not None]
    arrivals: dict[int, Arrivals] = defaultdict(Arrivals)
    for event in context.run.events():
        if isinstance(event, Report):
            last = context.rows[event.trial]["images_seen"] or 0
            arrivals[event.images_seen].add(event, last > event.images_seen)
    gone_on = _gone_on(context.run)
    return {
        "trials": len(context.rows),
        "scheduler": context.search.get("scheduler"),
        "eta": context.search.get("reduction_factor"),
        "rows": [_cells(context, row, arrivals[row["images_seen"]], gone_on) for row in ended],
        "failures": {trial: end.error for trial, end in context.run.ends().items() if end.state == "FAILED"},
    }


def _gone_on(run: Run) -> set[str]:
    """Return the trials that went on from their last pause, and the first starting point, which pauses nowhere."""
    first = first_trial(run) if run.settings().get("starting_point") else None
    gone_on = set() if first is None else {first}
    paused: set[str] = set()
    for event in run.events():
        if isinstance(event, Start) and event.trial in paused:
            gone_on.add(event.trial)
        elif isinstance(event, End) and event.state == "PAUSED":
            paused.add(event.trial)
            gone_on.discard(event.trial)
    return gone_on


def _cells(context: ReportContext, row: Row, arrivals: Arrivals, gone_on: Container[str]) -> list[Cell]:
    then, reported = arrivals.places[row["trial"]]
    end, total = arrivals.place(math.inf if row["diverged"] else row["fmd"]), len(arrivals.fmds)
    return [
        context.trial_cell(row["trial"]),
        Cell(f"{row['images_seen']:,}", row["images_seen"]),
        valued("diverged" if row["diverged"] else fmd_text(row["fmd"]), row["fmd"]),
        Cell(f"{then} of {reported}", then),
        Cell(f"{end} of {total}", end),
        Cell(f"{arrivals.continued} of {total}", arrivals.continued),
        Cell(_why(context, row, (then, reported), (end, total), row["trial"] in gone_on)),
    ]


def _why(context: ReportContext, row: Row, then: tuple[int, int], end: tuple[int, int], ran: bool) -> str:
    """Return why a trial was pruned.

    Args:
        context: the page's.
        row: of the trial.
        then: its place at its last rung when it reported there, and among how many.
        end: the same in the end.
        ran: whether it is known to have gone on from there.
    """
    if row["diverged"]:
        return "diverged"
    scheduler, eta = context.search.get("scheduler"), context.search.get("reduction_factor")
    if scheduler == "asha":  # the best of a rung is promoted in any case, once nothing else is left to do
        sound = ran or (eta and (then[0] <= then[1] // eta or end[0] <= max(1, end[1] // eta)))
    else:
        sound = scheduler == "asha-stopping" and eta and then[0] <= max(1, then[1] // eta)
    if not sound and scheduler != "none":
        return "behind others"
    return "no time left, or its loss rose" if row.get("training/patience") else "no time left"
