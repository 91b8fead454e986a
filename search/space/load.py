"""Loading of a space: a module of the package `spaces` by its name, or a file of the user's own.

Beside its function, the file may declare BASELINES, STARTS and CONFIRM_BY.
"""

import difflib
import hashlib
import importlib
import os
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import spaces
from search.space.space import Space, SpaceError
from search.space.space_trial import plain
from spaces.baselines import BASELINES, Baseline
from trainables.config import Flat, Variant, parse_flat
from trainables.parts import install, uninstall
from trainables.user_code import UserCode


def load(
    given: str, fixed: Mapping[str, str], only: Sequence[str] = (), exact: bool = False, code: UserCode | None = None
) -> Space:
    """Return the space that `--space` names, with the texts of `--set` read as values of their fields' domains.

    With `only` it has these baselines and no starting points; with `exact` they are sampled as their authors did, and
    with both the data set is theirs if they have one. `code`, which is trusted, is what a run keeps of a user's file:
    in place of the file that `given` names, or for the parts of the model that a space of the project samples from.

    Raises:
        CodeError, ConfigError, SpaceError: one line on what is wrong.
    """
    if code is None and given.endswith(".py"):
        code = _read(given)
    module, path = _module(given, code)
    function = getattr(module, "space", None)
    if not callable(function):
        raise SpaceError(f"space {given}: {path.name} has no function space(trial)")
    baselines = _baselines_of(given, module, only, exact)
    reported = {baseline.dataset for baseline in baselines} if only and exact else set()
    space = Space(
        given=str(path) if given.endswith(".py") else given,
        title=next(iter((module.__doc__ or "").strip().splitlines()), given),
        digest="",
        function=cast("Callable[[Any], Flat | None]", function),
        baselines=baselines,
        starts=() if only else _starts_of(given, module),
        fixed=parse_flat(fixed),
        dataset=reported.pop() if len(reported) == 1 else str(getattr(module, "DATASET", "mnist")),
        samples_only=bool(getattr(module, "SAMPLES_ONLY", False)),
        confirm_by=tuple(_texts(given, module, "CONFIRM_BY", 'the names of fields, such as ("network/kind",)')),
        code=code,
    )
    space = replace(space, starts=_adapted(space))
    source = code.data if code is not None and given.endswith(".py") else path.read_bytes()
    space = replace(space, digest=_digest(source, space.starts))
    if not space.names:
        raise SpaceError(f"space {space.given}: there is nothing to search, no field is suggested or all are fixed")
    return space


def known() -> list[str]:
    """Return the names of the spaces that come with the project."""
    names = [module.name for module in pkgutil.iter_modules(spaces.__path__)]
    return [name for name in names if callable(getattr(importlib.import_module(f"spaces.{name}"), "space", None))]


def _path(given: str) -> Path:
    return Path(os.path.expanduser(given)).resolve()


def _read(given: str) -> UserCode:
    path = _path(given)
    if not path.is_file():
        raise SpaceError(f"--space {given}: there is no such file; give a .py file, or one of {', '.join(known())}")
    return UserCode.read(path)


def _module(given: str, code: UserCode | None) -> tuple[ModuleType, Path]:
    """Return the module of a space and its file; the families then have the parts of `code`."""
    if code is not None and given.endswith(".py"):
        return install(code), _path(given)
    if given not in known():
        near = [f"{given}.py"] if _path(f"{given}.py").is_file() else difflib.get_close_matches(given, known(), n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        there = f"known are {', '.join(known())}, or the path of a .py file"
        raise SpaceError(f"unknown space {given!r}; {hint}{there}")
    if code is not None:
        install(code)
    else:
        uninstall()
    module = importlib.import_module(f"spaces.{given}")
    return module, Path(str(module.__file__))


def _digest(source: bytes, starts: Sequence[Flat]) -> str:
    """Return a checksum of what a trial follows from: the file, the starting points and the defaults."""
    followed = repr((*starts, Variant.from_flat({}).flat()))
    return hashlib.sha256(source + followed.encode()).hexdigest()


def _adapted(space: Space) -> tuple[Flat, ...]:
    """Return the space's starting points without the fields that `--set` fixes, each once.

    A starting point with another value than the fixed one is kept if it has a value for every field that the space then
    asks for. Where another kind is fixed it has none for the fields of that kind, and is left out.
    """
    found: list[Flat] = []
    for start in space.starts:
        free = _free(space, start)
        if free and free not in found:
            found.append(free)
    return tuple(found)


def _free(space: Space, start: Flat) -> Flat:
    """Return what a starting point says of the fields that are not fixed, and that the space asks for."""
    free = {name: value for name, value in start.items() if name not in space.fixed}
    if all(start.get(name, value) == value for name, value in space.fixed.items()):
        return free
    try:
        asked = space.asked_with(free)
    except SpaceError:  # a fixed value does not go with the rest of the point
        return {}
    return {name: free[name] for name in free if name in asked} if asked <= free.keys() else {}


def _baselines_of(given: str, module: ModuleType, only: Sequence[str], exact: bool) -> tuple[Baseline, ...]:
    """Return the baselines of a space, or those of `only`; with `exact` as their authors sampled."""
    names = only or _texts(given, module, "BASELINES", 'the names of baselines, such as ("A0",)')
    if unknown := [name for name in names if name not in BASELINES]:
        where, there = "--only" if only else "BASELINES", f"known are {', '.join(BASELINES)}"
        raise SpaceError(f"space {given}: unknown baseline {unknown[0]!r} in {where}; {there}")
    if exact and not names:
        raise SpaceError(f"--exact: space {given} has none of the literature's configurations; leave it out")
    return tuple(BASELINES[name].as_published() if exact else BASELINES[name] for name in names)


def _starts_of(given: str, module: ModuleType) -> tuple[Flat, ...]:
    """Return the starting points that a space's file declares."""
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


def _texts(given: str, module: ModuleType, name: str, right: str) -> list[str]:
    texts = getattr(module, name, None) or ()
    if isinstance(texts, str):
        raise SpaceError(f"space {given}: {name} is the text {texts!r}; write {name} = ({texts!r},)")
    return list(_each(given, name, texts, right))


def _each(given: str, name: str, values: Any, right: str) -> Iterator[Any]:
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise SpaceError(f"space {given}: {name} is {values!r}; give {right}")
    yield from values
