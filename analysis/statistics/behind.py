"""How far one configuration is behind another."""

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.statistics.two_way import BySeed, Estimates


@dataclass(frozen=True)
class Behind:
    """How far the mean FMD of a configuration is above that of another, as a share of it: 0.1 is 10 % worse.

    Attributes:
        share, low, high: the share and its 95 % interval, from differences within the seeds that both have.
        seeds: how many these are.
    """

    share: float
    low: float
    high: float
    seeds: int

    @property
    def certain(self) -> bool:
        """Whether the interval leaves out that both are equally good."""
        return self.low > 0 or self.high < 0


def behind(estimated: Estimates, fmds: Mapping[str, BySeed], name: str, other: str) -> Behind:
    """Return how far a configuration is behind another."""
    share, low, high = (ratio - 1 for ratio in estimated.difference(name, other).ratio())
    return Behind(share, low, high, len(fmds[name].keys() & fmds[other].keys()))
