"""The trial that a space is given: Optuna's methods to suggest, in front of a trial of Optuna or a stand-in for one."""

from collections.abc import Collection
from typing import Any

import numpy as np

from trainables.config import Flat
from trainables.domain import ConfigError, Primitive

# What Optuna does not let change between two trials of a study: the method, and the choices or the scale.
Shape = tuple[object, ...]


def plain(value: Any) -> Any:
    """Return the Python number, text or bool that a scalar of NumPy stands for; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


class SpaceTrial:
    """Answers what is fixed; passes on the rest, in plain values, and keeps the answers.

    Attributes:
        asked: the answers of the trial behind it, by name.
        shapes: what Optuna does not let change, by name.
        broken: an error of the trial behind it that the space did not cause.
    """

    def __init__(self, trial: Any, fixed: Flat) -> None:
        """Begin a draw."""
        self.asked: Flat = {}
        self.shapes: dict[str, Shape] = {}
        self.broken: OSError | None = None
        self._trial, self._fixed = trial, fixed

    @property
    def params(self) -> Flat:
        """The answers so far, by name."""
        return self._fixed | self.asked

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Return a real number from `low` to `high`."""
        options = {"log": log} if step is None else {"step": plain(step), "log": log}
        return float(self._ask("suggest_float", name, ("float", log), plain(low), plain(high), **options))

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Return a whole number from `low` to `high`."""
        given = (plain(low), plain(high))
        return int(self._ask("suggest_int", name, ("int", log), *given, step=plain(step), log=log))

    def suggest_categorical(self, name: str, choices: Collection[Primitive]) -> Primitive:
        """Return one of the choices."""
        listed = _listed(name, choices)
        answer: Primitive = self._ask("suggest_categorical", name, ("choices", *map(repr, listed)), listed)
        return answer

    def suggest_uniform(self, name: str, low: float, high: float) -> float:
        """Do as `suggest_float`; Optuna's name for it before version 3."""
        return self.suggest_float(name, low, high)

    def suggest_loguniform(self, name: str, low: float, high: float) -> float:
        """Do as `suggest_float` with log=True; Optuna's name for it before version 3."""
        return self.suggest_float(name, low, high, log=True)

    def suggest_discrete_uniform(self, name: str, low: float, high: float, q: float) -> float:
        """Do as `suggest_float` with step=q; Optuna's name for it before version 3."""
        return self.suggest_float(name, low, high, step=q)

    def __getattr__(self, name: str) -> Any:
        """Refuse what else a trial of Optuna has."""
        if name.startswith("__"):
            raise AttributeError(name)
        raise ConfigError(
            f"trial.{name}: a space has trial.suggest_float, suggest_int, suggest_categorical and params, and depends "
            "on nothing else, because the same variant is drawn again after a resume; leave it out"
        )

    def _ask(self, method: str, name: str, shape: Shape, *domain: Any, **options: Any) -> Any:
        if name in self._fixed:
            return self._fixed[name]
        if self.shapes.setdefault(name, shape) != shape:
            raise ConfigError(difference(name, self.shapes[name], shape))
        try:
            self.asked[name] = getattr(self._trial, method)(name, *domain, **options)
        except OSError as error:  # the study's file cannot be written
            self.broken = error
            raise
        return self.asked[name]


def difference(name: str, one: Shape, other: Shape) -> str:
    """Return what is wrong about two shapes of one name."""
    if one[0] == other[0] == "choices":
        return (
            f"{name} is suggested from {', '.join(map(str, one[1:]))} and from {', '.join(map(str, other[1:]))}, and "
            "Optuna takes one list of choices a name: suggest it from the same list in every draw, or return its value "
            "as a constant where the choice is none"
        )
    scales = [f"{shape[0]}{' with log=True' if shape[1] is True else ''}" for shape in (one, other)]
    return f"{name} is suggested as {scales[0]} and as {scales[1]}, and Optuna takes one kind a name: choose one"


def _listed(name: str, choices: Collection[Primitive]) -> tuple[Primitive, ...]:
    if isinstance(choices, str):
        raise ConfigError(f"{name}: the choices are the text {choices!r}; give a list, such as [{choices!r}]")
    if isinstance(choices, set | frozenset):
        raise ConfigError(f"{name}: the choices are a set, whose order changes between sessions; give a list")
    try:
        listed = tuple(plain(choice) for choice in choices)
    except TypeError:
        raise ConfigError(f"{name}: the choices are {choices!r}; give a list, such as [{choices!r}]") from None
    for choice in listed:
        if not isinstance(choice, str | int | float):
            raise ConfigError(f"{name}: {choice!r} is no choice; give texts, numbers, or True and False")
    if not listed:
        raise ConfigError(f"{name}: the list of choices is empty")
    return listed
