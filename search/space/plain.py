"""Values as Python has them, of those that a user's file may write."""

from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """Return the Python number, text or bool that a scalar of NumPy stands for; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value
