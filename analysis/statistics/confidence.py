"""The decisions of a race: which configurations may be the best, and who is trained again next."""

from collections.abc import Mapping, Sequence

from analysis.statistics.two_way import LOOK_LEVEL, Estimates, estimates

# A configuration may still be the best while the probability that it is better than the one ahead is at least this:
# while the interval of their difference, which holds over the looks of a race, has 0 in it.
CHANCE = (1 - LOOK_LEVEL) / 2


def may_be_best(estimated: Estimates) -> list[str]:
    """Return the configurations that may be the best, the one ahead first."""
    ahead, *others = estimated.ordered
    return [ahead, *(name for name in others if estimated.difference(name, ahead).chance >= CHANCE)]


def next_round(fmds: Mapping[str, Sequence[float]], seeds: int) -> dict[str, int]:
    """Return how many trainings each configuration should have next, by name; empty when the race is over.

    A race as in SMAC (Hutter et al. 2011): all begin with one training. While several may be the best, or the best has
    only one training, the trainings of those that may be the best are doubled, up to `seeds`.

    Args:
        fmds: of every configuration in the race the FMDs of its trainings so far, which may be none; the first of each
            have the first seed, and so on.
        seeds: the largest number of trainings of a configuration.
    """
    first = 2 if len(fmds) == 1 else 1  # one alone is trained twice in any case, and both can run at a time
    waiting = {name: first for name, values in fmds.items() if not values}
    if waiting or not fmds:
        return waiting
    left = may_be_best(estimates({name: dict(enumerate(values)) for name, values in fmds.items()}))
    have = min(len(fmds[name]) for name in left)
    if have >= seeds or (len(left) == 1 and have >= 2):
        return {}
    wanted = min(seeds, 2 * have)
    return {name: wanted for name in left if len(fmds[name]) < wanted}
