"""Write states, names, numbers and times in words."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

STATES = ("COMPLETE", "PRUNED", "PAUSED", "RUNNING", "FAILED")  # in the order in which they are counted


def printable(text: str) -> str:
    """Return a text without what a terminal obeys: a control character but for the end of a line becomes its escape."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def count_states(states: Iterable[str]) -> str:
    """Return how many trials are in each state: `3 complete, 5 pruned`; empty without trials."""
    counts = Counter(states)
    return ", ".join(f"{counts[state]} {state.lower()}" for state in STATES if counts[state])


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: `1 seed`, `2 seeds`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def number(value: float | None, form: str = ".3f") -> str:
    """Return a number as text, a dash for none."""
    return "-" if value is None else format(value, form)


def percent(share: float | None) -> str:
    """Return a share as per cent, `3.1 %`, `38 %`, `0 %`; a dash for none."""
    if share is None:
        return "-"
    value = 100 * share
    return f"{value:.0f} %" if share == 0 or value >= 9.95 else f"{value:.1f} %"


def chance(probability: float | None) -> str:
    """Return a probability of being the best as per cent, `53 %`, `> 99 %`; a dash for none."""
    if probability is None:
        return "-"
    return "> 99 %" if probability > 0.995 else f"{100 * probability:.0f} %"


def duration(seconds: float | None) -> str:
    """Return a time in its largest two units: `8 min 18 s`; a dash for none."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def listed(names: Sequence[str], most: int = 6) -> str:
    """Return names in a row, `a, b and c`, and how many more there are than `most`."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def fmd_form(fmd: float, error: float | None = None) -> str:
    """Return the format of an FMD and of what stands beside it: three significant digits of it, or one of its error."""
    scale = min(fmd, 100 * error) if error else fmd
    digits = 2 - math.floor(math.log10(scale)) if 0 < scale < math.inf else 2
    return f".{max(0, digits)}f"


def column_form(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the format of a column of FMDs, that of its lowest; rows have `fmd` and `fmd_se`, which may be None."""
    known = ((row["fmd"], row["fmd_se"] or 0.0) for row in rows if row["fmd"])
    return fmd_form(*min(known, default=(1.0, 0.0)))


def fmd_text(fmd: float, error: float | None = None) -> str:
    """Return an FMD, with its standard error where that is given: `7.00`, `18.6`, `187`, `7.00 ± 0.12`."""
    form = fmd_form(fmd, error)
    return f"{fmd:{form}}" if error is None else with_error(fmd, error, form)


def with_error(value: float, error: float | None, form: str) -> str:
    """Return a value and its standard error, a dash for none, in a format: `7.00 ± 0.12`.

    An error that the format would show as zero has one significant digit: `187 ± 0.3`.
    """
    shown = number(error, form)
    if error and float(shown) == 0:
        shown = f"{error:.{-math.floor(math.log10(error))}f}"
    return f"{value:{form}} ± {shown}"


def interval_text(low: float, high: float, form: str) -> str:
    """Return an interval in the format of the value that it is about: `6.38 to 7.68`."""
    return f"{low:{form}} to {high:{form}}"
