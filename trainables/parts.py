"""Parts of a user's own: what a user's file adds to the families, for as long as its code is installed.

`NETWORKS["mine"] = Mine` in a file makes a network of that name. Every process that makes variants of it installs the
code of the file first: the search, its trials on every machine, an evaluation.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields
from types import ModuleType
from typing import Any

from trainables.config import FAMILIES as FAMILIES_OF_CLASSES
from trainables.diffusion.degradations import Degradation
from trainables.diffusion.process import LOSSES, WEIGHTS, Weight
from trainables.diffusion.samplers import SAMPLERS, Sampler
from trainables.diffusion.schedules import Schedule
from trainables.diffusion.targets import TARGETS, Target
from trainables.diffusion.times import TIMES
from trainables.domain import Choice, UsageError, domains
from trainables.networks import Network
from trainables.user_code import CodeError, UserCode, forget

FAMILIES: dict[str, dict[str, Any]] = {
    **FAMILIES_OF_CLASSES,
    "sampler": SAMPLERS,
    "target": TARGETS,
    "weight": WEIGHTS,
    "loss": LOSSES,
    "times": TIMES,
}
BASES: dict[str, type] = {"schedule": Schedule, "degradation": Degradation, "network": Network}
NAME = re.compile(r"(?!kind$)[a-z][a-z0-9_]*")
_OWN = {family: dict(members) for family, members in FAMILIES.items()}
_installed: list[tuple[UserCode, ModuleType]] = []  # one at the most


def install(code: UserCode) -> ModuleType:
    """Execute a user's code, unless it is installed already, and return the module of its file.

    The families then have its parts. A process has the code of one file: what another one added goes.

    Raises:
        CodeError: it cannot be executed, or a part of it is none.
    """
    if _installed and _installed[0][0] == code:
        return _installed[0][1]
    uninstall()
    try:
        module = code.execute()
        for family, name in parts():
            _require_part(family, name)
        _require_own()
    except UsageError:
        uninstall()
        raise
    _installed.append((code, module))
    return module


def uninstall() -> None:
    """Make the families what they are without a user's code."""
    forget()
    _installed.clear()
    for family, members in FAMILIES.items():
        members.clear()
        members.update(_OWN[family])


def parts() -> list[tuple[str, str]]:
    """Return family and name of each part that the installed code added."""
    return [(family, name) for family, members in FAMILIES.items() for name in members if name not in _OWN[family]]


def _require_own() -> None:
    for family, members in _OWN.items():
        for name, member in members.items():
            if FAMILIES[family].get(name) is not member:
                raise CodeError(f"{family} {name}: the project has one of this name; give yours another name")


def _require_part(family: str, name: str) -> None:
    """Raise CodeError where a part is not what its family has."""
    member = FAMILIES[family][name]
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise CodeError(f"{family} {name!r}: give it a name of small letters, digits and _, such as my_{family}")
    wrong = (
        _wrong_class(member, f"{family}/{name}", BASES[family]) if family in BASES else _wrong_object(member, family)
    )
    if (first := next(wrong, None)) is not None:
        raise CodeError(f"{family} {name}: {first}")


def _wrong_object(member: Any, family: str) -> Iterator[str]:
    kinds: Mapping[str, tuple[type, str]] = {
        "sampler": (Sampler, "Sampler(function, last=Gaussian)"),
        "weight": (Weight, "Weight(function, last=Overlay)"),
        "target": (Target, "an object of a subclass of Target, such as MyTarget()"),
    }
    kind, right = kinds.get(family, (Callable, "a function"))
    if not isinstance(member, kind):  # type: ignore[arg-type]
        yield f"{member!r} stands there; give {right}"


def _wrong_class(member: Any, flat_name: str, base: type) -> Iterator[str]:
    if not isinstance(member, type) or not issubclass(member, base):
        yield f"{member!r} stands there; give a class that inherits from {base.__name__}"
        return
    if "__dataclass_params__" not in vars(member):
        yield f"class {member.__name__} is no dataclass; write @dataclass(frozen=True) above it"
    if missing := sorted(getattr(member, "__abstractmethods__", ())):
        yield f"class {member.__name__} has no method {missing[0]}"
    try:
        known = domains(member)
    except (NameError, TypeError) as error:
        yield f"the annotations of class {member.__name__} cannot be read: {error}"
        return
    for field in fields(member):  # type: ignore[arg-type]  # a dataclass, see above
        example = f"{field.name}: Annotated[int, Int(1, 64)] = 16"
        if field.name not in known or not _is_domain(known[field.name]):
            yield f"field {field.name} has no domain; write it as in `{example}`"
        elif field.default is MISSING:
            yield f"field {field.name} has no default; write it as in `{example}`"
        else:
            known[field.name].check(f"{flat_name}/{field.name}", field.default)


def _is_domain(domain: Any) -> bool:
    if isinstance(domain, Choice):
        return bool(domain.options) and all(isinstance(option, str | int | float) for option in domain.options)
    return not isinstance(domain, type) and hasattr(domain, "check") and hasattr(domain, "parse")
