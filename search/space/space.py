"""A search space: fields may be fixed by `--set`; it is checked by drawing, then asked for variants."""

import random
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from search.space.fake_trial import FakeTrial, Outside
from search.space.space_trial import Shape, SpaceTrial, difference, plain
from spaces.baselines import Baseline
from trainables.config import FAMILIES, Flat, Variant, domain_of
from trainables.domain import ConfigError, Int, Uniform, UsageError
from trainables.user_code import UserCode

# Draws that check a space before anything starts: what is wrong in one draw of a hundred is found in 92 % of cases.
CHECKED_DRAWS = 256
STARTS_PER_BASELINE = 4


class SpaceError(UsageError):
    """A space that cannot be searched."""


class SpaceFault(ConfigError):
    """A draw in which a space's function raised an error of its own."""


class Rejected(ConfigError):
    """A draw that a space's function rejected, by Optuna's TrialPruned; another is drawn in its place."""


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
    dataset: str
    """The data set unless another is given."""
    samples_only: bool
    """Whether it varies nothing but how a trained model is sampled."""
    confirm_by: tuple[str, ...]
    """Fields whose values a confirmation compares unless --confirm-by says otherwise."""
    code: UserCode | None
    """The user's own file, which defines the space, its parts or both."""

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
    def default(self) -> Flat | None:
        """The variant with the default of every field that the space asks for; None where it cannot draw that."""
        found = self.nearest({**Variant.from_flat({}).flat(), **self.fixed})
        return None if found is None else found[1]

    @property
    def unstopped(self) -> int:
        """Number of the first trials that go to the full budget at once: 1, a start known to be good, or 0."""
        return min(len(self.starts), 1)

    def draw(self, trial: Any) -> Flat:
        """Return one variant, complete with its defaults; what is fixed is not asked of `trial`.

        Raises:
            ConfigError: the space answered with a variant that cannot be; it is a SpaceFault where its function raised
                an error, and Rejected where it raised TrialPruned.
            Outside: `trial` has no answer.
        """
        return self._draw(SpaceTrial(trial, self.fixed))

    def _draw(self, asking: SpaceTrial) -> Flat:
        constants = self._constants(asking)
        if not isinstance(constants, dict):
            raise ConfigError(f"space() returned {constants!r}: return a dict of constants, or nothing")
        flat = {**asking.asked, **{name: plain(value) for name, value in constants.items()}}
        if self.fixed:
            flat.update(self.fixed)
            flat = {name: value for name, value in flat.items() if name in asking.asked or _applies(name, flat)}
        variant = Variant.from_flat(flat)
        if not self.samples_only:
            variant.require_trainable()
        return variant.flat()

    def _constants(self, asking: SpaceTrial) -> Any:
        """Return what the space's function returns."""
        try:
            return self.function(asking) or {}
        except (ConfigError, Outside):
            raise
        except (Exception, SystemExit) as error:  # the user's own code may raise anything
            if error is asking.broken:
                raise
            # By its name: Optuna is imported in search/study alone.
            if any(base.__name__ == "TrialPruned" for base in type(error).__mro__):
                raise Rejected("space() raised TrialPruned") from None
            told = self.code.told(error) if self.code else f"{type(error).__name__}: {error}"
            raise SpaceFault(f"space() raised {told}") from None

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
        """Names that the space searches over, in order of appearance; raises as `draws` does."""
        return tuple(dict.fromkeys(name for _, answered in self.draws for name in answered))

    @cached_property
    def draws(self) -> list[tuple[Flat, Flat]]:
        """Random variants of the space, each with the answers to all that the space asked for.

        Raises:
            SpaceError: it can draw what cannot be or what Optuna refuses, it never uses a fixed field, or a starting
                point does not fit it.
        """
        rng, shapes = random.Random(0), dict[str, Shape]()
        draws = [draw for _ in range(CHECKED_DRAWS) if (draw := self._drawn({}, rng, shapes)) is not None]
        if not draws:
            raise SpaceError(f"space {self.given}: space() raised TrialPruned in each of {CHECKED_DRAWS} draws")
        for name, value in self.fixed.items():
            if not any(name in variant for variant, _ in draws):
                field = name.replace("/", ".")
                raise SpaceError(f"--set {field}={value}: space {self.given} never selects the kind it belongs to")
        for start in self.starts:
            asked = self.asked_with(start)
            if unasked := [name for name in start if name not in asked]:
                raise SpaceError(f"space {self.given}: STARTS has {unasked[0]}, which the space does not ask for there")
        return draws

    def asked_with(self, start: Flat) -> set[str]:
        """Return what the space asks for with the answers `start`; raise SpaceError where it rejects them."""
        rng = random.Random(0)
        draws = [draw for _ in range(CHECKED_DRAWS // 16) if (draw := self._drawn(start, rng, {})) is not None]
        if not draws:
            raise SpaceError(f"space {self.given}: STARTS has {start}, for which space() raises TrialPruned")
        return {name for _, answered in draws for name in answered}

    def _drawn(self, start: Flat, rng: random.Random, shapes: dict[str, Shape]) -> tuple[Flat, Flat] | None:
        """Return one variant with the answers `start`, and all its answers; None for a draw that is rejected.

        `shapes` are those of earlier draws; those of this one are added.
        """
        trial = FakeTrial(start, rng)
        asking = SpaceTrial(trial, self.fixed)
        try:
            variant = self._draw(asking)
            _require_same(shapes, asking.shapes)
        except Rejected:
            return None
        except SpaceFault as error:
            raise SpaceError(f"space {self.given}: {error}") from None
        except (Outside, ConfigError) as error:
            fixed = ", ".join(f"{name.replace('/', '.')}={value}" for name, value in self.fixed.items())
            given = f"{self.given} with --set {fixed}" if fixed else self.given
            raise SpaceError(f"space {given} can draw what cannot be: {error}") from None
        return variant, trial.answered


def searched_domains(space: Space) -> dict[str, dict[str, Any]]:
    """Return the domain of each number that a space asks for, by name, found by drawing; the report shows them.

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
    own = {name: domain for name in found if isinstance(domain := domain_of(name), Uniform | Int)}
    return {name: {**found[name], "least": domain.low, "most": domain.high} for name, domain in own.items()}


def _require_same(shapes: dict[str, Shape], more: dict[str, Shape]) -> None:
    """Raise ConfigError where Optuna would refuse a draw after another one."""
    for name, shape in more.items():
        if shapes.setdefault(name, shape) != shape:
            raise ConfigError(difference(name, shapes[name], shape))


def _applies(name: str, flat: Flat) -> bool:
    """Return whether a field has a meaning beside the kinds that `flat` selects, as degradation/blur/sigma may not."""
    family, _, rest = name.partition("/")
    kind, _, field = rest.partition("/")
    if not field or family not in FAMILIES:
        return True
    return kind in str(flat.get(f"{family}/kind", kind)).split("+")
