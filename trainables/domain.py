"""Domains of hyperparameters: the values of a field, how they are written as text, and the scale of their search.

A hyperparameter is a field of a frozen dataclass with its domain beside its default:
`beta_end: Annotated[float, Log(1e-3, 0.5)] = 0.02`. Configurations, `--set`, spaces and tables read it there.
"""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, Protocol, get_args, get_origin, get_type_hints

Primitive = str | int | float | bool


class UsageError(ValueError):
    """An invalid input of the user; the message is one line with what was given and what would be right."""


class ConfigError(UsageError):
    """An invalid configuration."""


class Domain(Protocol):
    """A set of allowed values of one hyperparameter."""

    def check(self, name: str, value: object) -> Primitive:
        """Return `value` in the field's own type; raise ConfigError when it lies outside the domain."""

    def parse(self, name: str, text: str) -> Primitive:
        """Return the value that `text` writes; raise ConfigError when it is none of this domain."""
        return self.check(name, text.strip())


def _number(name: str, value: object, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"{name}={value!r}: expected a number from {low:g} to {high:g}")
    if not low <= value <= high:
        raise ConfigError(f"{name}={value!r} is outside its domain: {low:g} to {high:g}")
    return float(value)


class _Numbers(Domain):
    """Numbers, which `parse` reads in any way that Python writes them."""

    def parse(self, name: str, text: str) -> Primitive:
        """Return the number written in `text`; raise ConfigError when it is none or outside the domain."""
        return self.check(name, _read(text))


@dataclass(frozen=True)
class Uniform(_Numbers):
    """Real numbers from `low` to `high`, searched on a linear scale."""

    low: float
    high: float

    def check(self, name: str, value: object) -> float:
        """Return `value` as a float; raise ConfigError outside [low, high]."""
        return _number(name, value, self.low, self.high)


@dataclass(frozen=True)
class Log(Uniform):
    """Positive real numbers from `low` to `high`, searched on a logarithmic scale."""


@dataclass(frozen=True)
class Int(_Numbers):
    """Whole numbers from `low` to `high` inclusive."""

    low: int
    high: int

    def check(self, name: str, value: object) -> int:
        """Return `value` as an int; raise ConfigError when it is not whole or outside [low, high]."""
        number = _number(name, value, self.low, self.high)
        if number != int(number):
            raise ConfigError(f"{name}={value!r}: expected a whole number from {self.low} to {self.high}")
        return int(number)


@dataclass(frozen=True, init=False)
class Choice:
    """A finite set of options, all of one type."""

    options: tuple[Primitive, ...]

    def __init__(self, *options: Primitive) -> None:
        """Keep the options in the order given."""
        object.__setattr__(self, "options", options)

    def check(self, name: str, value: object) -> Primitive:
        """Return the option equal to `value`; raise ConfigError when there is none."""
        for option in self.options:
            if option == value and isinstance(option, bool) == isinstance(value, bool):
                return option
        raise ConfigError(f"{name}={value!r}: expected one of {', '.join(map(str, self.options))}")

    def parse(self, name: str, text: str) -> Primitive:
        """Return the option that prints as `text`; raise ConfigError when there is none."""
        return self.check(name, next((o for o in self.options if str(o).lower() == text.strip().lower()), text))


class Member(Choice):
    """The names of a family, as they are at the moment: a user's file may add to the family."""

    _family: Mapping[str, object]

    def __init__(self, family: Mapping[str, object]) -> None:
        """Keep the family itself."""
        object.__setattr__(self, "_family", family)

    @property
    def options(self) -> tuple[str, ...]:
        """The names in the family's order."""
        return tuple(self._family)


@dataclass(frozen=True)
class Widths(Domain):
    """Channels of successive blocks, written `16-32-32-16`: `least` to `most` numbers, each from 1 to 1024."""

    least: int = 1
    most: int = 12

    def check(self, name: str, value: object) -> str:
        """Return `value`; raise ConfigError when it is not such a list."""
        parts = value.split("-") if isinstance(value, str) else []
        if not self.least <= len(parts) <= self.most or not all(p.isdecimal() and 1 <= int(p) <= 1024 for p in parts):
            raise ConfigError(
                f"{name}={value!r}: expected {self.least} to {self.most} widths from 1 to 1024 joined by dashes, "
                "as in 16-32-32-16"
            )
        return str(value)


def widths(text: str) -> tuple[int, ...]:
    """Return the channels written in `text`: "16-32" -> (16, 32)."""
    return tuple(int(part) for part in text.split("-"))


def domains(cls: type) -> Mapping[str, Domain]:
    """Return the domain of every searchable field of a dataclass, in order of definition."""
    return _domains(cls)  # apart, because mypy does not accept a class as the hashable argument of a cached function


@functools.cache  # reading annotations takes most of the time of drawing from a space
def _domains(cls: type) -> Mapping[str, Domain]:
    if not is_dataclass(cls):
        raise TypeError(f"{cls!r} is not a dataclass")
    hints = get_type_hints(cls, include_extras=True)
    return {
        field.name: get_args(hints[field.name])[1]
        for field in fields(cls)
        if get_origin(hints[field.name]) is Annotated
    }


def construct(cls: type, prefix: str, values: dict[str, Any]) -> Any:
    """Return `cls(**values)`, every value checked against its field's domain; names in errors start with `prefix`."""
    allowed = domains(cls)
    return cls(**{name: allowed[name].check(f"{prefix}/{name}", value) for name, value in values.items()})


def _read(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text
