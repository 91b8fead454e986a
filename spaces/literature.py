"""Everything that the five reports tried, side by side, and then whatever else may be better."""

from spaces.baselines import BASELINES as ROWS
from spaces.everything import STARTS, space

__all__ = ["BASELINES", "STARTS", "space"]

BASELINES = tuple(ROWS)
