"""The trials of earlier runs that a search was begun with: one JSON object a line, kept in the search's own run.

With them a search goes on, and draws what it would have drawn, after the earlier runs were deleted.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

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


def to_lines(trials: Iterable[EarlierTrial]) -> bytes:
    """Return the content of a file of trials."""
    rows = ({**vars(one), "variant": dict(one.variant), "reports": list(map(to_json, one.reports))} for one in trials)
    return b"".join(json.dumps(row, separators=(",", ":")).encode() + b"\n" for row in rows)


def from_lines(content: bytes) -> list[EarlierTrial]:
    """Return the trials of a file; raise ValueError, with the number and the reason, where a line holds none."""
    trials = []
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            values = json.loads(line)
            check(values, _FIELDS)
            for report in values["reports"]:
                check(report, REPORT, "reports/")
            reports = tuple(map(Report.from_dict, values["reports"]))
            trials.append(EarlierTrial(values["run"], values["trial"], values["full"], values["variant"], reports))
        except (ValueError, LookupError, RecursionError) as error:
            raise ValueError(f"line {number}: {error}") from None
    return trials
