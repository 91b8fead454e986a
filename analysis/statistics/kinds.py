"""The kinds of configurations that a confirmation compares, as most searches ask which kind is best."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self, TypeVar

from analysis.run.events import Start
from analysis.run.run import Run
from analysis.statistics.comparable_trials import value_text
from analysis.statistics.confirmed import Standing

N = TypeVar("N", Start, Standing)  # has the name of a trial
NONE = ("none",)  # all are of one kind


@dataclass(frozen=True)
class Kinds:
    """Tells of which kind each trial of a run is.

    Attributes:
        by: the fields whose values make a kind, or `NONE`; where a trial has none of them its name does, which says
            the degradation and whether the network knows classes.
        starts: of the run's trials, by name.
    """

    by: tuple[str, ...]
    starts: Mapping[str, Start]

    @classmethod
    def of_run(cls, run: Run) -> Self:
        """Return the kinds that a run compares."""
        return cls(tuple(run.settings().get("confirm_by", ())), run.starts())

    def of(self, trial: str) -> str:
        """Return the kind of a trial in words, such as "gaussian-class" or "network.cnn.activation=gelu"."""
        if self.by == NONE:
            return ""
        variant = self.starts[trial].variant
        told = [f"{name.replace('/', '.')}={value_text(variant[name])}" for name in self.by if name in variant]
        return ", ".join(told) or named(trial)

    def first_of_each(self, ordered: Iterable[N]) -> list[N]:
        """Return the first one of each kind, in order."""
        found: dict[str, N] = {}
        for one in ordered:
            found.setdefault(self.of(one.trial), one)
        return list(found.values())


def named(trial: str) -> str:
    """Return what a trial's name says of its configuration: all but its number."""
    return trial.partition("-")[2]
