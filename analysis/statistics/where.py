"""Limit a table of trials to those whose configuration has given values."""

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence

import pyarrow as pa

from analysis.run.run import RunError
from analysis.run.tables import fields
from analysis.statistics.comparable_trials import value_text
from analysis.statistics.ranking import Row
from trainables.domain import Primitive

Condition = tuple[str, str]  # a field and the text of a value


def read_condition(text: str) -> Condition:
    """Return the field, with slashes, and the value of FIELD=VALUE.

    Raises:
        RunError: the text has another form.
    """
    name, equals, value = (part.strip() for part in text.partition("="))
    if not (name and equals and value):
        raise RunError(f"argument --where: {text!r}: give FIELD=VALUE, such as network.kind=cnn")
    return name.replace(".", "/"), value


def trials_where(trials: pa.Table, conditions: Iterable[Condition]) -> pa.Table:
    """Return the trials whose configuration meets all conditions.

    Raises:
        RunError: a field that no configuration has, or a value that no trial has that meets the conditions before.
    """
    for name, text in conditions:
        values = values_of(trials, name)
        met = [value is not None and _is(value, text) for value in values]
        if not any(met):
            raise RunError(f"--where {name}={text}: {_nothing(name, values, fields(trials))}")
        trials = trials.filter(pa.array(met))
    return trials


def values_of(trials: pa.Table, name: str) -> list[Primitive | None]:
    """Return the value of a field in each trial; None where a trial's configuration has no such field.

    A run of an earlier version lacks the fields that are newer: they have their defaults.
    """
    rows = trials.select(fields(trials)).to_pylist()
    if all(row.get(name) is not None for row in rows):
        return [row[name] for row in rows]
    from trainables.config import Variant  # with torch, a second or more, which few commands need

    default = Variant.from_flat({}).flat().get(name)
    family, _, rest = name.partition("/")
    kind, _, own = rest.partition("/")

    def value(row: Row) -> Primitive | None:
        if row.get(name) is None:
            return default if not own or kind in str(row.get(f"{family}/kind")).split("+") else None
        return row[name]

    return [value(row) for row in rows]


def _is(value: Primitive, text: str) -> bool:
    """Return whether a text writes a value, in full or as a table shows it."""
    if isinstance(value, bool | str):
        return str(value).lower() == text.lower()
    try:
        return float(text) == value or text == value_text(value)
    except ValueError:
        return False


def _nothing(name: str, values: Sequence[Primitive | None], known: Sequence[str]) -> str:
    """Return why no trial meets a condition on a field that has these values."""
    counts = Counter(value_text(value) for value in values if value is not None)
    if not counts:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
        return f"no trial has a field {name}" + "".join(f"; did you mean {other}?" for other in near)
    most = [f"{value} ({count})" for value, count in counts.most_common(8)]
    more = [f"{len(counts) - len(most)} more"] if len(counts) > len(most) else []
    return f"no trial has this value; there are {', '.join([*most, *more])}"
