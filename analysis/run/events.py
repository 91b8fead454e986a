"""The events of a run: a trial starts, reports and ends; a dict stands for one in JSON only."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, Self, get_args

from analysis.run.values import (
    COUNT,
    FLAG,
    LINES,
    NAME,
    NUMBER,
    TEXT,
    TIME,
    VALUE,
    Kind,
    by_name,
    check,
    many,
    optional,
)
from trainables.report import CHECKS, Report

State = Literal["RUNNING", "PAUSED", "PRUNED", "COMPLETE", "FAILED"]
"""RUNNING: in a process; PAUSED: waiting at a rung; PRUNED: stopped before the full budget; COMPLETE: at the full
budget; FAILED: given up after failures."""

Value = str | int | float | bool


@dataclass(frozen=True)
class Start:
    """A trial that begins, or goes on after it was PAUSED."""

    trial: str
    """Name, unique in the run and the name of the trial's files."""
    number: int
    """From 0, the same in the Optuna study."""
    seed: int
    """Seed of weights, batches and noise."""
    baseline: str
    """Name of the literature's configuration that it repeats, or empty."""
    variant: Mapping[str, Value]
    """Flat configuration, complete with its defaults."""
    repeats: str | None = None
    """In a confirmation, the search's trial whose configuration it trains again."""
    sampling_seed: int | None = None
    """In a confirmation, the seed of the noise that samples start from."""
    chooses: bool = False
    """In a confirmation, whether it chooses the guidance of its configuration after training."""
    time: float = 0.0
    """When the log took it, seconds since 1970; 0 until then."""

    def noise(self, of_search: int) -> int:
        """Return the seed of the noise that samples start from: the search's, unless a confirmation gave another."""
        return of_search if self.sampling_seed is None else self.sampling_seed

    def with_chosen(self, report: Report) -> Self:
        """Return the start with the fields of its configuration that were chosen after training."""
        return replace(self, variant={**self.variant, **report.chosen}) if report.chosen else self


@dataclass(frozen=True)
class End:
    """A trial that leaves its process in a state other than RUNNING."""

    trial: str
    state: State
    error: str = ""
    """The traceback of a trial that FAILED."""
    time: float = 0.0
    """When the log took it, seconds since 1970; 0 until then."""


Event = Start | Report | End

KINDS: dict[str, type[Start | Report | End]] = {"start": Start, "report": Report, "end": End}
REQUIRED = {
    "start": ("trial", "number", "seed", "baseline", "variant"),
    "report": ("trial", "images_seen"),
    "end": ("trial", "state"),
}
# Lists of a report that belong together.
BESIDE = (
    ("losses_at", "losses"),
    ("between_at", "between_fmd", "between_validation_loss"),
    ("tried_guidance", "tried_fmd"),
)
# Of a report; mostly empty.
LISTS = ("labels", *itertools.chain(*BESIDE))
# States of earlier versions.
RENAMED = {"FAIL": "FAILED"}
_STATE = Kind((*get_args(State), *RENAMED).__contains__, f"one of {', '.join(get_args(State))}")
VARIANT = by_name(VALUE)
_OF_TYPE = {
    "str": NAME,
    "int": COUNT,
    "float": NUMBER,
    "float | None": NUMBER,
    "bool": FLAG,
    "tuple[float, ...]": many(optional(NUMBER)),
    "tuple[int, ...]": many(COUNT),
}
# A report has null for a number that is not finite.
_MEASURED = {entry.name: optional(_OF_TYPE[str(entry.type)]) for entry in fields(Report)}
REPORT = {**_MEASURED, "trial": NAME, "images_seen": COUNT, "time": TIME}
FIELDS: dict[str, dict[str, Kind]] = {
    "start": {
        "trial": NAME,
        "number": COUNT,
        "seed": COUNT,
        "baseline": TEXT,
        "variant": VARIANT,
        "repeats": optional(NAME),
        "sampling_seed": optional(COUNT),
        "chooses": FLAG,
        "time": TIME,
    },
    "report": REPORT,
    "end": {"trial": NAME, "state": _STATE, "error": LINES, "time": TIME},
}


def to_json(event: Event) -> dict[str, Any]:
    """Return an event as JSON has it: absent values left out, null for a float that is not finite."""
    kind = next(name for name, cls in KINDS.items() if isinstance(event, cls))
    absent = {"error": "", "chooses": False, **dict.fromkeys(("repeats", "sampling_seed", *CHECKS))}
    absent |= dict.fromkeys(LISTS, ())
    values = {name: value for name, value in asdict(event).items() if name not in absent or value != absent[name]}
    return finite({"event": kind, **values})


def from_json(values: Mapping[str, Any]) -> Event:
    """Return the event that `values` hold.

    Fields that are not known, as of another version, are left out.

    Raises:
        ValueError: the event is of no known kind, lacks a required field, or has a value of a wrong type.
    """
    kind = values.get("event")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"event is {ascii(kind)[:60]}: expected one of {', '.join(KINDS)}")
    missing = [name for name in REQUIRED[kind] if name not in values]
    if missing:
        raise ValueError(f"a {kind} event without {', '.join(missing)}: expected {', '.join(REQUIRED[kind])}")
    check(values, FIELDS[kind])
    if kind == "report":
        return _report(values)
    if kind == "end":
        state = RENAMED.get(values["state"], values["state"])
        return End(values["trial"], state, values.get("error", ""), values.get("time", 0.0))
    return Start(**{name: values[name] for name in FIELDS[kind] if name in values})


def _report(values: Mapping[str, Any]) -> Report:
    report = Report.from_dict(values)
    for at, *lists in BESIDE:
        if any(len(getattr(report, name)) != len(getattr(report, at)) for name in lists):
            raise ValueError(f"{', '.join(lists)}: expected as many values as {at} has")
    return report


def unknown_fields(values: Mapping[str, Any]) -> set[str]:
    """Return the fields of an event that this version does not know."""
    return values.keys() - FIELDS[values["event"]].keys() - {"event"}


def finite(value: Any) -> Any:
    """Return `value` with None for every float, however deep, that is not finite."""
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
