"""Where trials pass the upright axes of parallel coordinates."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FEW = 6  # different whole numbers up to which an axis has a place for each
LANE = -0.14  # below an axis, where the lines of trials pass that lack the field
WIDE = 20.0  # ratio of the largest to the smallest number from which an axis is logarithmic


@dataclass(frozen=True)
class Coordinate:
    """One upright axis: where on it, 0..1, each trial passes, `LANE` for none, and its marks with their texts."""

    title: str
    places: list[float]
    marks: list[tuple[float, str]]


def coordinate(name: str, values: Sequence[Any], logarithmic: bool = False) -> Coordinate:
    """Return the axis of a field for its values, one a trial, worst trial first; None where a trial lacks the field."""
    given = [value for value in values if value is not None]
    if _is_scale(given):
        places, marks = _on_scale(values, given, logarithmic)
    else:
        options = _ordered_options(values)
        steps = {option: (index + 0.5) / len(options) for index, option in enumerate(options)}
        places, marks = _spread(values, steps), [(place, str(option)) for option, place in steps.items()]
    if len(given) < len(values):
        marks.append((LANE, "none"))
    return Coordinate(name, places, marks)


def _is_scale(given: Sequence[Any]) -> bool:
    """Return whether values are placed by size: numbers, unless they are a few whole ones, each with its own place."""
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in given):
        return False
    return len(set(given)) > FEW or any(isinstance(value, float) for value in given)


def _on_scale(
    values: Sequence[float | None], given: Sequence[float], logarithmic: bool
) -> tuple[list[float], list[tuple[float, str]]]:
    """Return the place of each value between the least at 0 and the largest at 1, and marks at both ends."""
    least, largest = min(given), max(given)
    convert = math.log if least > 0 and (logarithmic or largest / least > WIDE) else float
    start, length = convert(least), convert(largest) - convert(least)
    if length == 0:
        return [LANE if value is None else 0.5 for value in values], [(0.5, f"{least:.3g}")]
    places = [LANE if value is None else (convert(value) - start) / length for value in values]
    return places, [(0.0, f"{least:.3g}"), (1.0, f"{largest:.3g}")]


def _ordered_options(values: Sequence[Any]) -> list[Any]:
    """Return numbers in their order, and words by the mean rank of their trials, so that the best is at the bottom."""
    ranks: dict[Any, list[int]] = {}
    for rank, value in enumerate(reversed(values)):
        if value is not None:
            ranks.setdefault(value, []).append(rank)
    if any(isinstance(option, str) for option in ranks):
        return sorted(ranks, key=lambda option: (sum(ranks[option]) / len(ranks[option]), option))
    return sorted(ranks)


def _spread(values: Sequence[Any], steps: Mapping[Any, float]) -> list[float]:
    """Return a place for each value near its option's, spread so that the lines of one option do not coincide."""
    counts = Counter(values)
    passed: Counter[Any] = Counter()
    places = []
    for value in values:
        if value is None:
            places.append(LANE)
            continue
        passed[value] += 1
        share = passed[value] / (counts[value] + 1) - 0.5
        places.append(steps[value] - 0.5 * share / len(steps))
    return places
