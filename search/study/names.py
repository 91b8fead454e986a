"""The name and the seed of a search's trial."""

import re

import numpy as np

from trainables.config import Flat


def trial_seed(seed: int, number: int, *part: int) -> int:
    """Return the seed of a search's trial `number`, or of a part of it: 32 bits, unrelated to all others."""
    return int(np.random.SeedSequence((seed, number, *part)).generate_state(1)[0])


def trial_name(number: int, baseline: str, variant: Flat, searched: tuple[str, ...]) -> str:
    """Return a name that is unique in the run and good for a file: number and baseline, or number and first kind.

    A network that is told classes is marked, because labels are information that the others do not have; one that is
    told clusters has its own mark.
    """
    texts = (variant[name] for name in (*searched, "degradation/kind") if isinstance(variant.get(name), str))
    told = variant.get("network/conditioning", "none")
    mark = "" if told == "none" else f"-{told}"
    return f"{number:03d}-" + re.sub(r"[^A-Za-z0-9.+-]+", "_", baseline or str(next(texts))) + mark
