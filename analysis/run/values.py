"""Checks of what a run's files say: its type, its size and, of a name, what it may hold.

Files of a run may be damaged, or come from someone else. Names become paths, and names and texts reach terminals, so
a name is one of a file in its folder, and a text has no control characters.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

# A file name of all systems holds it with the longest of the endings that it gets.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")
_LARGEST = 2**63 - 1  # of a table's column
_LATEST = 253_402_300_799  # seconds since 1970, the end of the year 9999


class Kind(NamedTuple):
    """A kind of value: whether a value is of it, and what it is called in an error."""

    holds: Callable[[Any], bool]
    called: str


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -_LARGEST <= value <= _LARGEST


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or _is_whole(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable()


NAME = Kind(lambda value: isinstance(value, str) and _NAME.fullmatch(value) is not None, "the name of a trial")
TEXT = Kind(_is_text, "a text in one line")
LINES = Kind(lambda value: isinstance(value, str), "a text")
FLAG = Kind(lambda value: isinstance(value, bool), "true or false")
COUNT = Kind(lambda value: _is_whole(value) and value >= 0, "a whole number from 0 on")
SOME = Kind(lambda value: _is_whole(value) and value >= 1, "a whole number from 1 on")
NUMBER = Kind(_is_number, "a number")
TIME = Kind(lambda value: _is_number(value) and 0 <= value <= _LATEST, "seconds since 1970")
VALUE = Kind(lambda value: any(kind.holds(value) for kind in (FLAG, NUMBER, TEXT)), "a number, a text or a flag")
OBJECT = Kind(lambda value: isinstance(value, Mapping), "an object")


def optional(kind: Kind) -> Kind:
    """Return the kind that has null, too."""
    return Kind(lambda value: value is None or kind.holds(value), f"{kind.called}, or null")


def many(kind: Kind, least: int = 0, most: int | None = None) -> Kind:
    """Return the kind of arrays of at least, and at most, so many values of a kind."""

    def holds(value: Any) -> bool:
        has_length = isinstance(value, list) and least <= len(value) and (most is None or len(value) <= most)
        return has_length and all(map(kind.holds, value))

    return Kind(holds, f"an array, each of it {kind.called}")


def by_name(kind: Kind) -> Kind:
    """Return the kind of objects whose values are of a kind."""

    def holds(value: Any) -> bool:
        return isinstance(value, dict) and all(map(_is_text, value)) and all(map(kind.holds, value.values()))

    return Kind(holds, f"an object of names, each with {kind.called}")


def having(kinds: Mapping[str, Kind]) -> Kind:
    """Return the kind of objects that have all of some values, each of its kind."""

    def holds(value: Any) -> bool:
        return isinstance(value, dict) and all(
            name in value and kind.holds(value[name]) for name, kind in kinds.items()
        )

    return Kind(holds, f"an object with {', '.join(kinds)}")


def check(values: Any, kinds: Mapping[str, Kind], where: str = "") -> None:
    """Raise ValueError unless `values` is an object whose values are of their kinds; one that it lacks is right.

    `where` comes before a value's name in the error.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"{where.rstrip('/') or 'it'} is no object")
    for name, kind in kinds.items():
        if name in values and not kind.holds(values[name]):
            raise ValueError(f"{where}{name} is {_short(values[name])}: expected {kind.called}")


def _short(value: Any) -> str:
    """Return a value as an error shows it, in printable characters."""
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
