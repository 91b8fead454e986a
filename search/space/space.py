"""A search space made ready: some of its fields fixed by `--set`, checked by drawing, then asked for its variants."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from search.space.fake_trial import Outside, Probe
from spaces.baselines import Baseline
from trainables.config import FAMILIES, Flat, Variant
from trainables.domain import ConfigError, UsageError

# Draws that check a space before anything starts: what is wrong in one draw of a hundred is found in 92 % of cases.
CHECKED_DRAWS = 256


class SpaceError(UsageError):
    """A space that cannot be searched."""


@dataclass(frozen=True)
class Space:
    """A space function, and the baselines and starting points that are tried before a sampler draws from it."""

    given: str
    """As `--space` was given: a name of `spaces`, or the absolute path of a file."""
    title: str
    digest: str
    """SHA-256 of the source, so that a resumed search is the same search."""
    function: Callable[[Any], Flat | None]
    baselines: tuple[Baseline, ...]
    starts: tuple[Flat, ...]
    fixed: Flat
    """Fields that `--set` took out of the search."""
    dataset: str = "mnist"
    """The data set that it is about, unless another is given."""
    samples_only: bool = False
    """Whether it varies nothing but how a trained model is sampled."""

    def queue(self) -> list[tuple[str, Flat]]:
        """Return what is tried first, in order: (name, variant) of each baseline and ("", answers) of each start.

        One start leads, because the first trial goes to the full budget whatever its value: a slow baseline would take
        most of a search for that on two cores.
        """
        starts = [("", start) for start in self.starts]
        return [*starts[:1], *((entry.name, entry.variant) for entry in self.baselines), *starts[1:]]

    @property
    def leading(self) -> int:
        """How many of the first trials go to the full budget at once: a start, which is known to be good, or none."""
        return min(len(self.starts), 1)

    def draw(self, trial: Any) -> Flat:
        """Return one variant, complete with its defaults, by `trial.suggest_*`; fields in `fixed` are not asked for.

        Raises:
            ConfigError: the space answered with a variant that cannot be.
        """
        fixing = _Fixing(trial, self.fixed)
        constants = self.function(fixing) or {}
        if not isinstance(constants, dict):
            raise ConfigError(f"space() returned {constants!r}: return a dict of constants, or nothing")
        flat = {**fixing.asked, **constants}
        if self.fixed:
            flat |= self.fixed
            flat = {name: value for name, value in flat.items() if name in fixing.asked or _applies(name, flat)}
        return Variant.from_flat(flat).flat()

    def answers_for(self, variant: Flat) -> Flat | None:
        """Return what the space has to be answered to draw exactly `variant`, None where it cannot."""
        probe = Probe(variant)
        try:
            return probe.answered if self.draw(probe) == variant else None
        except (Outside, ConfigError):
            return None

    def checked(self) -> Space:
        """Return this space if it can be searched.

        Raises:
            SpaceError: it can draw what cannot be, it never uses a fixed field, or a starting point does not fit it.
        """
        if not self.names:
            raise SpaceError(f"space {self.given}: there is nothing to search, no field is suggested or all are fixed")
        return self

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names that the space searches over, in order of appearance, found by drawing from it."""
        rng = random.Random(0)
        draws = [self._probe({}, rng) for _ in range(CHECKED_DRAWS)]
        for name, value in self.fixed.items():
            if not any(name in variant for variant, _ in draws):
                raise SpaceError(
                    f"--set {_option(name)}={value}: space {self.given} never selects the kind it belongs to"
                )
        for start in self.starts:
            asked = {name for _ in range(CHECKED_DRAWS // 16) for name in self._probe(start, rng)[1]}
            if unasked := [name for name in start if name not in asked]:
                raise SpaceError(f"space {self.given}: STARTS has {unasked[0]}, which the space does not ask for there")
        return tuple(dict.fromkeys(name for _, answered in draws for name in answered))

    def _probe(self, start: Flat, rng: random.Random) -> tuple[Flat, Flat]:
        """Return one draw from `start` on and what was asked for it."""
        probe = Probe(start, rng)
        try:
            return self.draw(probe), probe.answered
        except (Outside, ConfigError) as error:
            fixed = ", ".join(f"{_option(name)}={value}" for name, value in self.fixed.items())
            given = f"{self.given} with --set {fixed}" if fixed else self.given
            raise SpaceError(f"space {given} can draw what cannot be: {error}") from None
        except Exception as error:  # the user's own code may raise anything
            raise SpaceError(f"space {self.given}: space() raised {first_line(error)}") from None


class _Fixing:
    """Stands before a trial: what is fixed is answered, and so leaves the search; the rest is passed on and kept."""

    def __init__(self, trial: Any, fixed: Flat) -> None:
        self.asked: Flat = {}
        self._trial, self._fixed = trial, fixed

    def suggest_float(self, name: str, low: float, high: float, **options: Any) -> Any:
        return self._ask("suggest_float", name, low, high, **options)

    def suggest_int(self, name: str, low: int, high: int, **options: Any) -> Any:
        return self._ask("suggest_int", name, low, high, **options)

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        return self._ask("suggest_categorical", name, choices)

    def _ask(self, method: str, name: str, *domain: Any, **options: Any) -> Any:
        if name in self._fixed:
            return self._fixed[name]
        self.asked[name] = getattr(self._trial, method)(name, *domain, **options)
        return self.asked[name]


def _option(name: str) -> str:
    return name.replace("/", ".")


def first_line(error: Exception) -> str:
    """Return an error's kind, message and the line of the innermost code that raised it."""
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error}"
    frame = traceback.extract_tb(error.__traceback__)[-1]
    message = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {message} ({Path(frame.filename).name}, line {frame.lineno})"


def _applies(name: str, flat: Flat) -> bool:
    """Whether a field has a meaning beside the kinds that `flat` selects."""
    family, _, rest = name.partition("/")
    kind, _, own = rest.partition("/")
    return not own or family not in FAMILIES or kind in str(flat.get(f"{family}/kind", kind)).split("+")
