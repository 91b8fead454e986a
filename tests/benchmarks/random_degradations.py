"""The space of degradations without its starting points and baselines: drawn at random, for recorded curves."""

from spaces.degradations import space

__all__ = ["space"]
