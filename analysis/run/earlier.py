"""The trials of earlier runs that a search was begun with: one JSON object a line, kept in the search's own run.

With them a search goes on, and draws what it would have drawn, after the earlier runs were deleted.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from analysis.run.events import REPORT, VARIANT, Value, to_json
from analysis.run.values import COUNT, LINES, NAME, OBJECT, check, many
from trainables.report import Report

_FIELDS = {"run": LINES, "trial": NAME, "full": COUNT, "variant": VARIANT, "reports": many(OBJECT, least=1)}


@dataclass(frozen=True)
class EarlierTrial:
    """A trial of an earlier run, with at least one report."""

    run: str
    """Where that run was: an absolute path or a URI."""
    trial: str
    """Name in that run."""
    full: int
    """Images of a full training in that run."""
    variant: Mapping[str, Value]
    """Flat configuration, complete with its defaults."""
    reports: tuple[Report, ...]
    """Its reports, by images seen, with the fields that they have in log.jsonl."""

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the trial that `values` hold; raises ValueError or KeyError where they hold none."""
        check(values, _FIELDS)
        for report in values["reports"]:
            check(report, REPORT, "reports/")
        reports = tuple(Report.from_dict(report) for report in values["reports"])
        return cls(values["run"], values["trial"], values["full"], values["variant"], reports)

    def to_json(self) -> dict[str, Any]:
        """Return the trial as JSON has it."""
        reports = [to_json(report) for report in self.reports]
        return {**vars(self), "variant": dict(self.variant), "reports": reports}


def to_lines(trials: Iterable[EarlierTrial]) -> bytes:
    """Return the content of a file of trials."""
    return b"".join(json.dumps(trial.to_json(), separators=(",", ":")).encode() + b"\n" for trial in trials)


def from_lines(content: bytes) -> list[EarlierTrial]:
    """Return the trials of a file; raise ValueError, with the number and the reason, where a line holds none."""
    trials = []
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            trials.append(EarlierTrial.from_json(json.loads(line)))
        except (ValueError, LookupError, RecursionError) as error:
            raise ValueError(f"line {number}: {error}") from None
    return trials
