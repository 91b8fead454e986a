"""The short facts of which an answer is made."""

from typing import NamedTuple


class Fact(NamedTuple):
    """A fact of an answer: its term, what stands out of it, which may be empty, and the words that explain it."""

    term: str
    value: str
    words: str

    @property
    def text(self) -> str:
        """Value and words in one line."""
        return ": ".join(filter(None, (self.value, self.words)))
