"""A search replayed on recorded curves: what a scheduler finds, with how many images, without training anything."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from search.schedulers import Decision, Scheduler


@dataclass(frozen=True)
class Curve:
    """A recorded trial: its FMD at each rung, and the seconds from each rung to the next."""

    fmd: tuple[float, ...]
    """Infinite from where it diverged on"""
    seconds: tuple[float, ...]


class Point(NamedTuple):
    """What a scheduler is told of a recorded trial at a rung."""

    images_seen: int
    fmd: float
    diverged: bool


@dataclass(frozen=True)
class Moment:
    """A report in a replayed search: which trial, at which rung, what became of it, and what was spent until then."""

    trial: int
    rung: int
    fmd: float
    decision: Decision
    images: int
    """Of all trials, up to the rungs that they are on their way to"""
    seconds: float
    """Of wall time"""


def simulate(scheduler: Scheduler, curves: Sequence[Curve], slots: int) -> Iterator[Moment]:
    """Yield every report of a search of `curves`, in their order, `slots` at a time, until nothing goes on.

    Time is that of the curves; a trial that waits loses none on its way into a process and out.
    """
    search = _Search(scheduler, curves, slots)
    search.fill()
    while search.ends:
        yield search.step()
        search.fill()


class _Search:
    def __init__(self, scheduler: Scheduler, curves: Sequence[Curve], slots: int) -> None:
        self.scheduler, self.curves, self.slots = scheduler, curves, slots
        self.begun, self.images, self.now = 0, 0, 0.0
        self.next_rung = [0] * len(curves)
        self.ends: list[tuple[float, int]] = []
        """Of the stretches under way, a heap: when, and of which trial"""

    def fill(self) -> None:
        """Give every free slot something to do, if there is anything."""
        while len(self.ends) < self.slots:
            to_come = self.begun < len(self.curves)
            young = any(self.next_rung[trial] == 0 for _, trial in self.ends)
            trial = self.scheduler.promote(more=to_come or young, idle=not self.ends)
            if trial is None and not to_come:
                return
            if trial is None:
                trial, self.begun = self.begun, self.begun + 1
            self._begin(trial)

    def step(self) -> Moment:
        """Go to the end of the stretch that ends first."""
        self.now, trial = heapq.heappop(self.ends)
        rung = self.next_rung[trial]
        fmd = self.curves[trial].fmd[rung]
        decision = self.scheduler.on_report(trial, Point(self.scheduler.rungs[rung], fmd, math.isinf(fmd)))
        self.next_rung[trial] += 1
        moment = Moment(trial, rung, fmd, decision, self.images, self.now)
        if decision is Decision.CONTINUE:
            self._begin(trial)
        return moment

    def _begin(self, trial: int) -> None:
        rung, rungs = self.next_rung[trial], (0, *self.scheduler.rungs)
        self.images += rungs[rung + 1] - rungs[rung]
        heapq.heappush(self.ends, (self.now + self.curves[trial].seconds[rung], trial))
