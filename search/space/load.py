"""Loading of a space: a module of the package `spaces` by its name, or a file of the user's own."""

import difflib
import hashlib
import importlib
import os
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import spaces
from search.space.adaptation import adapted
from search.space.declarations import baselines_of, confirm_by_of, starts_of
from search.space.space import Space, SpaceError
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
    baselines = baselines_of(given, module, only, exact)
    reported = {baseline.dataset for baseline in baselines} if only and exact else set()
    space = Space(
        given=str(path) if given.endswith(".py") else given,
        title=next(iter((module.__doc__ or "").strip().splitlines()), given),
        digest="",
        function=cast("Callable[[Any], Flat | None]", function),
        baselines=baselines,
        starts=() if only else starts_of(given, module),
        fixed=parse_flat(fixed),
        dataset=reported.pop() if len(reported) == 1 else str(getattr(module, "DATASET", "mnist")),
        samples_only=bool(getattr(module, "SAMPLES_ONLY", False)),
        confirm_by=confirm_by_of(given, module),
        code=code,
    )
    space = replace(space, starts=tuple(adapted(space)))
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
        near = difflib.get_close_matches(given, known(), n=1)
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
