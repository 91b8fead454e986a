"""The ends of what a space searches, found by drawing from it; search.json keeps them for the report."""

import random
from typing import Any

from search.space.fake_trial import FakeTrial
from search.space.space import CHECKED_DRAWS, Space
from trainables.config import domain_of
from trainables.domain import ConfigError, Int, Uniform


class _Noting(FakeTrial):
    """A trial that draws all values, and notes the ends of the numbers that a space asks for."""

    def __init__(self, noted: dict[str, dict[str, Any]], rng: random.Random) -> None:
        super().__init__({}, rng)
        self._noted = noted

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Return a number from low to high."""
        self._note(name, low, high, log)
        return super().suggest_float(name, low, high, step=step, log=log)

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Return a whole number from low to high."""
        self._note(name, low, high, log)
        return super().suggest_int(name, low, high, step=step, log=log)

    def _note(self, name: str, low: float, high: float, log: bool) -> None:
        before = self._noted.get(name, {"low": low, "high": high})
        self._noted[name] = {"low": min(low, before["low"]), "high": max(high, before["high"]), "log": log}


def searched_domains(space: Space) -> dict[str, dict[str, Any]]:
    """Return the domain of each number that a space asks for, by name.

    Its keys are low and high, its ends; log, whether it is logarithmic; least and most, the ends of the field's own
    domain. A field whose own domain lists its values is left out.
    """
    noted: dict[str, dict[str, Any]] = {}
    rng = random.Random(0)
    for _ in range(CHECKED_DRAWS):
        space.draw(_Noting(noted, rng))
    return {name: ends | own for name, ends in noted.items() if (own := _own(name))}


def _own(name: str) -> dict[str, float]:
    try:
        domain = domain_of(name)
    except ConfigError:  # a space may ask for a value that is no field, to make others of it
        return {}
    return {"least": domain.low, "most": domain.high} if isinstance(domain, Uniform | Int) else {}
