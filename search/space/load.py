"""Loading of a space: a module of the package `spaces` by its name, or a file of the user's own."""

import difflib
import hashlib
import importlib
import importlib.util
import os
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import spaces
from search.space.space import Space, SpaceError, first_line
from spaces.baselines import BASELINES
from trainables.config import Flat, Variant, domain_of


def load(given: str, fixed: Mapping[str, str], only: Sequence[str] = (), exact: bool = False) -> Space:
    """Return the space that `--space` names, with the texts of `--set` read as values of their fields' domains.

    With `only` it has these baselines and no starting points; with `exact` they are sampled as their authors did, and
    with both the data set is theirs if they have one.
    """
    module, path = _module(given)
    function = getattr(module, "space", None)
    if not callable(function):
        raise SpaceError(f"space {given}: {path.name} has no function space(trial)")
    names = only or getattr(module, "BASELINES", ())
    if unknown := [name for name in names if name not in BASELINES]:
        where, there = "--only" if only else "BASELINES", f"known are {', '.join(BASELINES)}"
        raise SpaceError(f"space {given}: unknown baseline {unknown[0]!r} in {where}; {there}")
    baselines = tuple(BASELINES[name].as_published() if exact else BASELINES[name] for name in names)
    if exact and not baselines:
        raise SpaceError(f"--exact: space {given} has none of the literature's configurations; leave it out")
    texts = {name.replace(".", "/"): text for name, text in fixed.items()}
    values = {name: domain_of(name).parse(name, text) for name, text in texts.items()}
    reported = {baseline.dataset for baseline in baselines} if only and exact else set()
    starts = () if only else tuple(_starts(getattr(module, "STARTS", ()), values))
    space = Space(
        given=given if path.parent == Path(spaces.__path__[0]) else str(path),
        title=(module.__doc__ or given).strip().splitlines()[0],
        digest=_digest(path, starts),
        function=cast("Callable[[Any], Flat | None]", function),
        baselines=baselines,
        starts=starts,
        fixed=values,
        dataset=reported.pop() if len(reported) == 1 else str(getattr(module, "DATASET", "mnist")),
        samples_only=bool(getattr(module, "SAMPLES_ONLY", False)),
    )
    if not space.names:
        raise SpaceError(f"space {space.given}: there is nothing to search, no field is suggested or all are fixed")
    return space


def known() -> list[str]:
    """Return the names of the spaces that come with the project."""
    names = [module.name for module in pkgutil.iter_modules(spaces.__path__)]
    return [name for name in names if callable(getattr(importlib.import_module(f"spaces.{name}"), "space", None))]


def _module(given: str) -> tuple[ModuleType, Path]:
    if not given.endswith(".py"):
        if given not in known():
            near = difflib.get_close_matches(given, known(), n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            there = f"known are {', '.join(known())}, or the path of a .py file"
            raise SpaceError(f"unknown space {given!r}; {hint}{there}")
        module = importlib.import_module(f"spaces.{given}")
        return module, Path(str(module.__file__))
    path = Path(os.path.expanduser(given)).resolve()
    if not path.is_file():
        raise SpaceError(f"--space {given}: there is no such file; give a .py file, or one of {', '.join(known())}")
    spec = importlib.util.spec_from_file_location(f"users_space_{path.stem}", path)
    assert spec is not None  # a path that ends in .py always has a loader
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's own code may raise anything
        raise SpaceError(f"space {given}: the file raised {first_line(error)}") from None
    return module, path


def _digest(path: Path, starts: Iterable[Flat]) -> str:
    """Return a checksum of what a trial follows from: the file, the starting points and the defaults."""
    followed = repr((*starts, Variant.from_flat({}).flat()))
    return hashlib.sha256(path.read_bytes() + followed.encode()).hexdigest()


def _starts(starts: Iterable[Flat], fixed: Flat) -> Iterator[Flat]:
    """Yield each starting point that lies in what `--set` leaves of the space, without the fields it fixes."""
    yielded: list[Flat] = []
    for start in _without_classes(starts) if fixed.get("network/conditioning") == "none" else starts:
        free = {name: value for name, value in start.items() if name not in fixed}
        if free and free not in yielded and all(start.get(name, value) == value for name, value in fixed.items()):
            yielded.append(free)
            yield free


def _without_classes(starts: Iterable[Flat]) -> Iterator[Flat]:
    """Yield the starting points as they are for a network that knows no classes, which cannot be guided."""
    for start in starts:
        yield {n: v for n, v in start.items() if n != "network/conditioning" and not n.startswith("sampler/guidance")}
