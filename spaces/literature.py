"""The configurations of the five reports first, then those of `everything`."""

from spaces.baselines import BASELINES as ROWS
from spaces.everything import STARTS, space

__all__ = ["BASELINES", "STARTS", "space"]

BASELINES = tuple(ROWS)
