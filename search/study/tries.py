"""How often the trials of a search have failed, and which of them are tried again."""

from __future__ import annotations

from collections import Counter

# A trial whose process died, as with the node it was on, is tried again this often, each time from its checkpoint. Ray
# Tune's own max_failures does not cover a trial that was just being handed to a process that had died.
MAX_FAILURES = 2


class Tries:
    """Counts failures by the number of the trial; a resumed search counts anew."""

    def __init__(self) -> None:
        """No trial has failed."""
        self._failures = Counter[int]()

    def fails(self, number: int) -> bool:
        """Count a failure of a trial and return whether it is tried again."""
        self._failures[number] += 1
        return self.has_more(number)

    def has_more(self, number: int) -> bool:
        """Return whether a trial is tried again if it failed just now."""
        return self._failures[number] <= MAX_FAILURES

    def forgive(self, number: int) -> None:
        """Count a failure less, before it is counted: it is no fault of the trial's."""
        self._failures[number] -= 1
