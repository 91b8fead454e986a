"""Starting points of a space of which `--set` fixes some fields."""

from collections.abc import Iterator

from search.space.space import Space, SpaceError
from trainables.config import Flat


def adapted(space: Space) -> Iterator[Flat]:
    """Yield the space's starting points without the fields that `--set` fixes, each once.

    A starting point with another value than the fixed one is kept if it has a value for every field that the space then
    asks for. Where another kind is fixed it has none for the fields of that kind, and is left out.
    """
    found: list[Flat] = []
    for start in space.starts:
        free = _free(space, start)
        if free and free not in found:
            found.append(free)
            yield free


def _free(space: Space, start: Flat) -> Flat:
    """Return what a starting point says of the fields that are not fixed, and that the space asks for."""
    free = {name: value for name, value in start.items() if name not in space.fixed}
    if all(start.get(name, value) == value for name, value in space.fixed.items()):
        return free
    try:
        asked = space.asked_with(free)
    except SpaceError:  # a fixed value does not go with the rest of the point
        return {}
    return {name: free[name] for name in free if name in asked} if asked <= free.keys() else {}
