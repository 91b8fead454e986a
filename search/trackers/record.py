"""What a tracker is told of a trial: all that the log has of it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path

from analysis.run.events import End, Event, Start, State, Value
from analysis.run.run import Run
from trainables.report import Report

# Of a report; its place among the rungs follows from its images seen.
LEFT_OUT = ("rung", "time")
OF_TYPES = ("int", "float", "float | None")
NUMBERS = [entry.name for entry in fields(Report) if entry.type in OF_TYPES and entry.name not in LEFT_OUT]
ENDED = ("PRUNED", "COMPLETE", "FAILED")


@dataclass(frozen=True)
class Record:
    """A trial as the log has it."""

    start: Start
    """Its first"""
    samples: Path
    """Where the picture of its samples is, from its first report on"""
    reports: tuple[Report, ...] = ()
    state: State = "RUNNING"
    end: End | None = None
    """Its last, if it has ended for good"""

    @property
    def identity(self) -> str:
        """A text that no trial of another search has, not even of one that had the same name before."""
        return f"{self.start.trial} {self.start.time!r}"

    @property
    def part(self) -> str:
        """Which part of a run trained it: search or confirmation."""
        return "confirmation" if self.start.repeats else "search"

    @property
    def images_seen(self) -> int:
        """Images seen at its last report; -1 before the first."""
        return self.reports[-1].images_seen if self.reports else -1

    @property
    def parameters(self) -> dict[str, Value]:
        """The flat configuration with what was chosen after training, the seed and the baseline."""
        start = self.start.with_chosen(self.reports[-1]) if self.reports else self.start
        return {"baseline": start.baseline or "none", "seed": start.seed, **start.variant}

    @property
    def has_parameters(self) -> bool:
        """Whether its configuration is known: a part of it may be chosen after training."""
        return bool(self.reports) or not self.start.chooses

    @property
    def pictured(self) -> bool:
        """Whether there is a picture of its samples that is worth a look."""
        return bool(self.reports) and not self.reports[-1].diverged and self.samples.is_file()

    def points(self, above: int) -> list[tuple[Report, int, dict[str, float]]]:
        """Return the finite numbers of the reports at more than `above` images, each at its images seen, ascending."""
        found = []
        for report in self.reports:
            if report.images_seen <= above:
                continue
            for at, numbers in [*report.on_the_way(), (report.images_seen, numbers_of(report))]:
                finite = {name: value for name, value in numbers.items() if math.isfinite(value)}
                if finite:
                    found.append((report, at, finite))
        return found


def numbers_of(report: Report) -> dict[str, float]:
    """Return the numbers of a report, those that it has."""
    values = {name: getattr(report, name) for name in NUMBERS}
    return {name: float(value) for name, value in values.items() if value is not None}


def take_in(records: dict[str, Record], events: Iterable[Event], run: Run) -> list[Record]:
    """Add the events of a run to its `records` by trial, and return the records that they changed."""
    changed: dict[str, None] = {}
    for event in events:
        before = records.get(event.trial)
        if isinstance(event, Start):
            first = Record(event, run.picture(event.trial, "samples"))
            records[event.trial] = first if before is None else replace(before, state="RUNNING", end=None)
        elif before is None:
            continue  # in a log of an earlier version: it failed on its way to a process
        elif isinstance(event, Report):
            records[event.trial] = replace(before, reports=(*before.reports, event))
        else:
            end = event if event.state in ENDED else None
            records[event.trial] = replace(before, state=event.state, end=end)
        changed[event.trial] = None
    return [records[name] for name in changed]
