"""A stand-in for an Optuna trial, which answers a space without a study."""

import math
import random
from collections.abc import Sequence

from trainables.config import Flat
from trainables.domain import Primitive


class Outside(ValueError):
    """A space asked for a value that was not given, or a value was given that lies outside what it asked for."""


class FakeTrial:
    """Answers a space from given values, and draws the values that are not given.

    Attributes:
        answered: all answers, by name.
        ranges: the ends of the numbers that were asked for, and whether their scale is logarithmic, by name.
    """

    def __init__(self, answers: Flat, rng: random.Random | None = None) -> None:
        """Answer from `answers`; draw what they lack by `rng`, and raise Outside for it where there is no `rng`."""
        self.answered: Flat = {}
        self.ranges: dict[str, tuple[float, float, bool]] = {}
        self._answers, self._rng = answers, rng

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Return a number from low to high."""
        return self._number(name, low, high, step, log)

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Return a whole number from low to high."""
        self.answered[name] = round(self._number(name, low, high, step, log))
        return int(self.answered[name])

    def suggest_categorical(self, name: str, choices: Sequence[Primitive]) -> Primitive:
        """Return one of the choices."""
        if name not in self._answers:
            value = self._generator(name).choice(choices)
        elif self._answers[name] in choices:
            value = self._answers[name]
        else:
            raise Outside(f"{name}={self._answers[name]!r} is none of {', '.join(map(str, choices))}")
        self.answered[name] = value
        return value

    def _number(self, name: str, low: float, high: float, step: float | None, log: bool) -> float:
        self.ranges[name] = (low, high, log)
        value = self._answers.get(name)
        if value is None:
            value = self._drawn(self._generator(name), low, high, step, log)
        elif isinstance(value, str) or not low <= value <= high:
            raise Outside(f"{name}={value!r} is outside {low:g} to {high:g}")
        elif step is not None and not math.isclose((value - low) / step, round((value - low) / step), abs_tol=1e-8):
            raise Outside(f"{name}={value!r} is no whole number of steps of {step:g} from {low:g}")
        self.answered[name] = value
        return value

    @staticmethod
    def _drawn(rng: random.Random, low: float, high: float, step: float | None, log: bool) -> float:
        if log:  # Optuna has no steps there but those of whole numbers
            return math.exp(rng.uniform(math.log(low), math.log(high)))
        if step is None:
            return rng.uniform(low, high)
        return low + step * rng.randint(0, math.floor((high - low) / step + 1e-8))

    def _generator(self, name: str) -> random.Random:
        if self._rng is None:
            raise Outside(f"{name} is not given")
        return self._rng
