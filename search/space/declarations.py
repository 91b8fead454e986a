"""What a space's file declares beside its function: BASELINES, STARTS and CONFIRM_BY."""

from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

from search.space.space import SpaceError
from search.space.space_trial import plain
from spaces.baselines import BASELINES, Baseline
from trainables.config import Flat


def baselines_of(given: str, module: ModuleType, only: Sequence[str], exact: bool) -> tuple[Baseline, ...]:
    """Return the baselines of a space, or those of `only`; with `exact` as their authors sampled.

    Raises:
        SpaceError: a name is unknown, or there are none to be exact about.
    """
    names = only or _texts(given, module, "BASELINES", 'the names of baselines, such as ("A0",)')
    if unknown := [name for name in names if name not in BASELINES]:
        where, there = "--only" if only else "BASELINES", f"known are {', '.join(BASELINES)}"
        raise SpaceError(f"space {given}: unknown baseline {unknown[0]!r} in {where}; {there}")
    if exact and not names:
        raise SpaceError(f"--exact: space {given} has none of the literature's configurations; leave it out")
    return tuple(BASELINES[name].as_published() if exact else BASELINES[name] for name in names)


def starts_of(given: str, module: ModuleType) -> tuple[Flat, ...]:
    """Return the starting points of a space.

    Raises:
        SpaceError: they are not dicts in a row.
    """
    right = 'a tuple of dicts, such as ({"training/lr": 2e-3},)'
    starts = getattr(module, "STARTS", None) or ()
    if isinstance(starts, Mapping):
        raise SpaceError(f"space {given}: STARTS is one dict; put it into a tuple with a comma at its end: ({{...}},)")
    read: list[Flat] = []
    for start in _each(given, "STARTS", starts, right):
        if not isinstance(start, Mapping):
            raise SpaceError(f"space {given}: STARTS has {start!r}; give {right}")
        read.append({str(name): plain(value) for name, value in start.items()})
    return tuple(read)


def confirm_by_of(given: str, module: ModuleType) -> tuple[str, ...]:
    """Return the fields whose values a confirmation compares.

    Raises:
        SpaceError: they are not texts in a row.
    """
    return tuple(_texts(given, module, "CONFIRM_BY", 'the names of fields, such as ("network/kind",)'))


def _texts(given: str, module: ModuleType, name: str, right: str) -> list[str]:
    texts = getattr(module, name, None) or ()
    if isinstance(texts, str):
        raise SpaceError(f"space {given}: {name} is the text {texts!r}; write {name} = ({texts!r},)")
    return list(_each(given, name, texts, right))


def _each(given: str, name: str, values: Any, right: str) -> Iterator[Any]:
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise SpaceError(f"space {given}: {name} is {values!r}; give {right}")
    yield from values
