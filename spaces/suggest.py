"""Functions for spaces, which suggest the fields of a variant from their domains."""

from collections.abc import Sequence
from typing import Any, Protocol

from trainables.config import FAMILIES, Flat, Variant, domain_of
from trainables.domain import Choice, Domain, Int, Log, Primitive, Uniform, domains


class Asked(Protocol):
    """The methods of optuna.trial.Trial that a space may use."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Return a real number from `low` to `high`."""

    def suggest_int(self, name: str, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Return one of `choices`."""


def suggest(trial: Asked, name: str, domain: Domain | None = None) -> Primitive:
    """Return the suggestion of `trial` for a flat name, from `domain` or else from the field's own domain.

    Raises:
        ConfigError: no field has this name.
        TypeError: the field's own domain has too many values to list; give one that can be searched.
    """
    domain = domain or domain_of(name)
    if isinstance(domain, Choice):
        return trial.suggest_categorical(name, domain.options)
    if isinstance(domain, Int):
        return trial.suggest_int(name, domain.low, domain.high)
    if isinstance(domain, Uniform):
        return trial.suggest_float(name, domain.low, domain.high, log=isinstance(domain, Log))
    raise TypeError(f"{name}: give the Choice of values to search, its own domain is too large to list")


# Fields that change nothing unless another field, suggested before, has this value.
ONLY: dict[str, tuple[str, Primitive]] = {"degradation/average/shared": ("degradation/average/order", "random")}


def suggest_kind(trial: Asked, family: str, kinds: Sequence[str]) -> str:
    """Return a suggested kind of "schedule", "degradation" or "network", and suggest each of its fields with effect."""
    chosen = str(suggest(trial, f"{family}/kind", Choice(*kinds)))
    answers: Flat = {}
    for kind in chosen.split("+"):
        for field in domains(FAMILIES[family][kind]):
            name = f"{family}/{kind}/{field}"
            if name not in ONLY or answers[ONLY[name][0]] == ONLY[name][1]:
                answers[name] = suggest(trial, name)
    return chosen


def usual(given: Flat, *names: str) -> Flat:
    """Return the given fields and the defaults of others, of the fields `names`; "a/" means all fields below it."""
    flat = Variant.from_flat(given).flat()
    below = tuple(name for name in names if name.endswith("/"))
    return {name: value for name, value in flat.items() if name in names or name.startswith(below)}
