"""What a search makes of the trials of earlier runs: what its sampler learns, what runs first, what is not run again.

An earlier trial is a measurement in this search if the space draws exactly its variant. A trial that has an answer to
all that the space asks, but another value where the space has a constant, was measured in another variant: it can be a
starting point, and the sampler does not learn from it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from analysis.run.earlier import EarlierTrial
from analysis.text.words import counted
from search.confirmation.contenders import alike
from search.options import LEARN_FROM_EARLIER
from search.space.space import Space
from trainables.config import Flat, Variant
from trainables.domain import ConfigError, Primitive

# How many of the best earlier trials run first: as many as a confirmation trains again.
BEST = 3

Key = frozenset[tuple[str, object]]


@dataclass(frozen=True)
class WarmStart:
    """What a search takes over; of no earlier trials it is nothing, and the queue is the space's own."""

    earlier: Sequence[EarlierTrial]
    queue: list[tuple[str, Flat]]
    """What is tried before the sampler draws: (name, variant) of a baseline, ("", answers) of a starting point."""
    unstopped: int
    """Number of the first trials that go to the full budget at once"""
    prior: list[EarlierTrial]
    """Trials that are measurements in this search, with their reports up to its full budget"""
    best: list[tuple[Flat, Flat]]
    """Answers and variant of each of the best earlier trials that run first"""
    measured: frozenset[Key]
    """Variants with a value at the full budget of this search or more"""

    @classmethod
    def of(cls, earlier: Sequence[EarlierTrial], space: Space, full: int) -> "WarmStart":
        """Return what a search takes over from earlier trials; `full` is its full budget in images."""
        comparable = [trial for trial in earlier if _compares(trial, full)]
        measured = frozenset(_key(t.variant) for t in comparable if t.reports[-1].images_seen >= full)
        best = list(_best(earlier, space, full))
        # The best run in any case, and what was measured does not run again: baselines apart, neither is queued.
        known = measured.union(_key(variant) for _, variant in best)
        queue = [entry for entry in space.queue() if entry[0] or not _is_known(space, entry[1], known)]
        first = queue[: space.unstopped] if queue[:1] == space.queue()[:1] else []
        return cls(
            earlier=earlier,
            queue=[*first, *(("", answers) for answers, _ in best), *queue[len(first) :]],
            unstopped=len(first) + len(list(takewhile(lambda one: _key(one[1]) in measured, best))),
            prior=[
                up for trial in comparable if (up := _up_to(trial, full)) and space.answers_for(dict(trial.variant))
            ],
            best=best,
            measured=measured,
        )

    def summary(self, sampler: str) -> str:
        """Return what is taken over, in words: "37 trials of runs/a (12 up to 4,000 images, ...); ..."."""
        runs = [self._of_run(place) for place in dict.fromkeys(trial.run for trial in self.earlier)]
        learns = [] if sampler in LEARN_FROM_EARLIER else [f"{sampler} learns nothing from them"]
        others = len(self.earlier) - len(self.prior)
        are = "is no variant" if others == 1 else "are no variants"
        outside = [f"{others} more {are} of this space at these rungs"] if others else []
        first = f"the best {len(self.best)} run first" if len(self.best) > 1 else "the best one runs first"
        return "; ".join([*runs, *learns, *outside, first if self.best else "none can run first"])

    def _of_run(self, place: str) -> str:
        reached = Counter(trial.reports[-1].images_seen for trial in self.prior if trial.run == place)
        up_to = ", ".join(f"{count} up to {images:,} images" for images, count in sorted(reached.items()))
        return f"{counted(reached.total(), 'trial')} of {place}" + (f" ({up_to})" if reached else "")

    def is_measured(self, variant: Flat) -> bool:
        """Return whether a variant has a value at the full budget of this search or more."""
        return _key(variant) in self.measured


def _is_known(space: Space, start: Flat, known: frozenset[Key]) -> bool:
    """Return whether a starting point draws one of the `known` variants; one that leaves a field open draws none."""
    found = space.nearest(start)
    return found is not None and _key(found[1]) in known


def _best(earlier: Sequence[EarlierTrial], space: Space, full: int) -> Iterator[tuple[Flat, Flat]]:
    """Yield answers and variants of the best earlier trials that the space can express.

    No two of them are alike, and none is a baseline.
    """
    drawn = [entry.variant for entry in space.baselines]
    sound = [trial for trial in earlier if not trial.reports[-1].diverged]
    for trial in sorted(sound, key=lambda trial: _standing(trial, full)):
        found = _nearest(space, trial)
        if found is not None and not any(alike(found[1], other) for other in drawn):
            drawn.append(found[1])
            yield found
            if len(drawn) == BEST + len(space.baselines):
                return


def _nearest(space: Space, trial: EarlierTrial) -> tuple[Flat, Flat] | None:
    """Return `Space.nearest` of a trial; what a run of an earlier version lacks has its default."""
    try:
        return space.nearest(Variant.from_flat(dict(trial.variant)).flat())
    except ConfigError:
        return None


def _standing(trial: EarlierTrial, full: int) -> tuple[int, float]:
    """Return what the ranking sorts by, at the full budget at most: the larger budget first, then the lower FMD."""
    report = ([report for report in trial.reports if report.images_seen <= full] or trial.reports[:1])[-1]
    return -min(report.images_seen, full), report.fmd


def _compares(trial: EarlierTrial, full: int) -> bool:
    """Return whether a trial's values are those of its variant in a search of this full budget.

    Of all fields only a cosine decay of the learning rate makes a training depend on the full budget.
    """
    return trial.full == full or trial.variant.get("training/lr_decay") != "cosine"


def _up_to(trial: EarlierTrial, full: int) -> EarlierTrial | None:
    """Return a trial with its reports up to the full budget; None where there is none."""
    reports = tuple(report for report in trial.reports if report.images_seen <= full)
    return replace(trial, reports=reports) if reports else None


def _key(variant: Mapping[str, Primitive]) -> Key:
    return frozenset(variant.items())
