"""The ends of what a space searches, found by drawing from it; search.json keeps them for the report."""

import random
from contextlib import suppress
from typing import Any

from search.space.fake_trial import FakeTrial
from search.space.space import CHECKED_DRAWS, Space
from trainables.config import domain_of
from trainables.domain import ConfigError, Int, Uniform


def searched_domains(space: Space) -> dict[str, dict[str, Any]]:
    """Return the domain of each number that a space asks for, by name.

    Its keys are low and high, its ends; log, whether it is logarithmic; least and most, the ends of the field's own
    domain. A field whose own domain lists its values is left out.
    """
    found: dict[str, dict[str, Any]] = {}
    rng = random.Random(0)
    for _ in range(CHECKED_DRAWS):
        trial = FakeTrial({}, rng)
        with suppress(ConfigError):  # a draw that is rejected
            space.draw(trial)
        for name, (low, high, log) in trial.ranges.items():
            before = found.get(name, {"low": low, "high": high})
            found[name] = {"low": min(low, before["low"]), "high": max(high, before["high"]), "log": log}
    return {name: ends | own for name, ends in found.items() if (own := _own(name))}


def _own(name: str) -> dict[str, float]:
    domain = domain_of(name)
    return {"least": domain.low, "most": domain.high} if isinstance(domain, Uniform | Int) else {}
