"""How often each trial of a session has failed, and whether it is tried again."""

from collections import Counter

# A trial whose process died is tried again this often, each time from its checkpoint. Ray Tune's own max_failures does
# not cover a trial that was being handed to a process that had died.
MAX_FAILURES = 2


class Tries:
    """The failures of trials, by number; a resumed search starts from none."""

    def __init__(self) -> None:
        self._failures = Counter[int]()

    def count_failure(self, number: int) -> bool:
        """Count a failure of a trial and return whether it is tried again."""
        self._failures[number] += 1
        return self.may_retry(number)

    def may_retry(self, number: int) -> bool:
        """Return whether a trial that failed just now is tried again."""
        return self._failures[number] <= MAX_FAILURES

    def forgive(self, number: int) -> None:
        """Leave the next failure of a trial uncounted: its cause lies outside the trial."""
        self._failures[number] -= 1
