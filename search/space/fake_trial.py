"""A stand-in for an Optuna trial that answers a space from given values, at random, or not at all."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from trainables.config import Flat
from trainables.domain import Primitive


class Outside(ValueError):
    """A space asked for a value that was not given, or that lies outside what it asked for."""


class Probe:
    """Answers a space from `answers`; what is not there is drawn by `rng`, and is refused where there is none."""

    def __init__(self, answers: Flat, rng: random.Random | None = None) -> None:
        """Keep every answer given in `answered`."""
        self.answered: Flat = {}
        self._answers, self._rng = answers, rng

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Return a number from low to high."""
        value = self._given(name, low, high)
        if value is None:
            value = self._draw(low, high, log)
            value = value if step is None else min(high, low + step * round((value - low) / step))
        self.answered[name] = value
        return value

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Return a whole number from low to high."""
        value = self._given(name, low, high)
        if value is None:
            value = low + step * ((round(self._draw(low, high, log)) - low) // step)
        self.answered[name] = int(value)
        return int(value)

    def suggest_categorical(self, name: str, choices: Sequence[Primitive]) -> Primitive:
        """Return one of the choices."""
        if name in self._answers:
            if self._answers[name] not in choices:
                raise Outside(f"{name}={self._answers[name]!r} is none of {', '.join(map(str, choices))}")
            value = self._answers[name]
        else:
            value = self._random(name).choice(choices)
        self.answered[name] = value
        return value

    def _given(self, name: str, low: float, high: float) -> float | None:
        if name not in self._answers:
            self._random(name)
            return None
        value = self._answers[name]
        if isinstance(value, str) or not low <= value <= high:
            raise Outside(f"{name}={value!r} is outside {low:g} to {high:g}")
        return value

    def _draw(self, low: float, high: float, log: bool) -> float:
        rng = self._random("")
        return math.exp(rng.uniform(math.log(low), math.log(high))) if log else rng.uniform(low, high)

    def _random(self, name: str) -> random.Random:
        if self._rng is None:
            raise Outside(f"{name} is not given")
        return self._rng
