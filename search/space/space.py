"""A search space: fields may be fixed by `--set`; it is checked by drawing, then asked for variants."""

import random
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partialmethod
from pathlib import Path
from typing import Any

from search.space.fake_trial import FakeTrial, Outside
from spaces.baselines import Baseline
from trainables.config import FAMILIES, Flat, Variant
from trainables.domain import ConfigError, UsageError

# Draws that check a space before anything starts: what is wrong in one draw of a hundred is found in 92 % of cases.
CHECKED_DRAWS = 256
STARTS_PER_BASELINE = 4


class SpaceError(UsageError):
    """A space that cannot be searched."""


@dataclass(frozen=True)
class Space:
    """A space function, and the baselines and starting points that are tried before a sampler draws from it."""

    given: str
    """What `--space` names: a name of `spaces`, or the absolute path of a file."""
    title: str
    """The first line of its docstring."""
    digest: str
    """SHA-256 of the source and of the defaults, by which a resumed search knows it again."""
    function: Callable[[Any], Flat | None]
    baselines: tuple[Baseline, ...]
    starts: tuple[Flat, ...]
    fixed: Flat
    """Fields that `--set` took out of the search."""
    dataset: str = "mnist"
    """The data set unless another is given."""
    samples_only: bool = False
    """Whether it varies nothing but how a trained model is sampled."""

    def queue(self) -> list[tuple[str, Flat]]:
        """Return what is tried first, in order: (name, variant) of each baseline and ("", answers) of each start.

        A start comes first, because the first trial goes to the full budget whatever its value. A baseline follows on
        every STARTS_PER_BASELINE more: baselines are slow, and together they would keep both slots of two cores.
        """
        queue, baselines = list[tuple[str, Flat]](), deque(self.baselines)
        for index, start in enumerate(self.starts):
            queue.append(("", start))
            if index and index % STARTS_PER_BASELINE == 0 and baselines:
                baseline = baselines.popleft()
                queue.append((baseline.name, baseline.variant))
        return queue + [(baseline.name, baseline.variant) for baseline in baselines]

    @property
    def leading(self) -> int:
        """Number of the first trials that go to the full budget at once: 1, a start known to be good, or 0."""
        return min(len(self.starts), 1)

    def draw(self, trial: Any) -> Flat:
        """Return one variant, complete with its defaults; what is fixed is not asked of `trial`.

        Raises:
            ConfigError: the space answered with a variant that cannot be.
        """
        fixing = _Fixing(trial, self.fixed)
        constants = self.function(fixing) or {}
        if not isinstance(constants, dict):
            raise ConfigError(f"space() returned {constants!r}: return a dict of constants, or nothing")
        flat = {**fixing.asked, **constants}
        if self.fixed:
            flat.update(self.fixed)
            flat = {name: value for name, value in flat.items() if name in fixing.asked or _applies(name, flat)}
        return Variant.from_flat(flat).flat()

    def nearest(self, variant: Flat) -> tuple[Flat, Flat] | None:
        """Return the answers that `variant` has to all that the space asks, and what it draws with them.

        That may differ from `variant` in the fields that the space does not ask for. None where an answer is missing.
        """
        trial = FakeTrial(variant)
        try:
            drawn = self.draw(trial)
        except (Outside, ConfigError):
            return None
        return trial.answered, drawn

    def answers_for(self, variant: Flat) -> Flat | None:
        """Return the answers with which the space draws exactly `variant`, None where it cannot."""
        found = self.nearest(variant)
        return found[0] if found is not None and found[1] == variant else None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names that the space searches over, in order of appearance, found by drawing from it.

        Raises:
            SpaceError: it can draw what cannot be, it never uses a fixed field, or a starting point does not fit it.
        """
        rng = random.Random(0)
        draws = [self._drawn({}, rng) for _ in range(CHECKED_DRAWS)]
        for name, value in self.fixed.items():
            if not any(name in variant for variant, _ in draws):
                field = name.replace("/", ".")
                raise SpaceError(f"--set {field}={value}: space {self.given} never selects the kind it belongs to")
        for start in self.starts:
            asked = {name for _ in range(CHECKED_DRAWS // 16) for name in self._drawn(start, rng)[1]}
            if unasked := [name for name in start if name not in asked]:
                raise SpaceError(f"space {self.given}: STARTS has {unasked[0]}, which the space does not ask for there")
        return tuple(dict.fromkeys(name for _, answered in draws for name in answered))

    def _drawn(self, start: Flat, rng: random.Random) -> tuple[Flat, Flat]:
        """Return one variant with the answers `start`, and all its answers."""
        trial = FakeTrial(start, rng)
        try:
            return self.draw(trial), trial.answered
        except (Outside, ConfigError) as error:
            fixed = ", ".join(f"{name.replace('/', '.')}={value}" for name, value in self.fixed.items())
            given = f"{self.given} with --set {fixed}" if fixed else self.given
            raise SpaceError(f"space {given} can draw what cannot be: {error}") from None
        except Exception as error:  # the user's own code may raise anything
            raise SpaceError(f"space {self.given}: space() raised {first_line(error)}") from None


class _Fixing:
    """A trial before another: it answers what is fixed, and passes on the rest and keeps the answers."""

    def __init__(self, trial: Any, fixed: Flat) -> None:
        self.asked: Flat = {}
        self._trial, self._fixed = trial, fixed

    def _ask(self, method: str, name: str, *domain: Any, **options: Any) -> Any:
        if name in self._fixed:
            return self._fixed[name]
        self.asked[name] = getattr(self._trial, method)(name, *domain, **options)
        return self.asked[name]

    suggest_float = partialmethod(_ask, "suggest_float")
    suggest_int = partialmethod(_ask, "suggest_int")
    suggest_categorical = partialmethod(_ask, "suggest_categorical")


def first_line(error: Exception) -> str:
    """Return an error's kind, message and the line of the innermost code that raised it."""
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error}"
    frame = traceback.extract_tb(error.__traceback__)[-1]
    message = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {message} ({Path(frame.filename).name}, line {frame.lineno})"


def _applies(name: str, flat: Flat) -> bool:
    """Return whether a field has a meaning beside the kinds that `flat` selects, as degradation/blur/sigma may not."""
    family, _, rest = name.partition("/")
    kind, _, field = rest.partition("/")
    if not field or family not in FAMILIES:
        return True
    return kind in str(flat.get(f"{family}/kind", kind)).split("+")
