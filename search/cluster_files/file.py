"""A cluster file of Ray: its values, the lines they stand on, and the marks of values that are still to be set."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import yaml  # type: ignore[import-untyped]

Where = tuple[Any, ...]
"""Keys and indices that lead to a value: ("provider", "worker_ips", 0)."""

MARK = "CHANGE-ME"


class Problem(NamedTuple):
    """A problem, and its line: what is given, and what would be right."""

    line: int
    text: str


class NotACluster(ValueError):
    """Text that is no cluster file; its arguments are those of the `Problem`."""


@dataclass(frozen=True)
class ClusterFile:
    """A cluster file as it was read, before Ray fills in its defaults."""

    data: dict[str, Any]
    lines: tuple[str, ...]
    """Of the file, comments included; line 1 is the first."""
    unset: tuple[Problem, ...]
    """The values that bear a mark."""
    numbers: dict[Where, int]
    """The line of every key and item."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the file at `path`.

        Raises:
            OSError, UnicodeDecodeError: it cannot be read.
            NotACluster: it is no YAML, or not a mapping.
        """
        text = path.read_text()
        try:
            loader = yaml.SafeLoader(text)
            node = loader.get_single_node()
            # Construction also puts what `<<` merges into the nodes, which are walked afterwards.
            data = loader.construct_document(node) if node else None
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise NotACluster(line, f"no YAML: {error.problem}") from None
        if not isinstance(data, dict):
            raise NotACluster(1, "a cluster file is a mapping such as `cluster_name: mine`, this is none")
        return cls(data, tuple(text.splitlines()), tuple(_marked(text)), dict(_numbered(node)))

    def get(self, *where: Any) -> Any:
        """Return the value at `where`, None if there is none."""
        value: Any = self.data
        for step in where:
            try:
                value = value[step]
            except (LookupError, TypeError):
                return None
        return value

    def line(self, *where: Any) -> int:
        """Return the line of `where`, or of the nearest thing around it that the file has."""
        while where and where not in self.numbers:
            where = where[:-1]
        return self.numbers.get(where, 1)

    def texts(self, *where: Any) -> Iterator[tuple[int, str]]:
        """Yield the line and value of every string in and below `where`."""
        value = self.get(*where)
        if isinstance(value, str):
            yield self.line(*where), value
        elif isinstance(value, dict | list):
            for step in value if isinstance(value, dict) else range(len(value)):
                yield from self.texts(*where, step)


def _numbered(node: Any, where: Where = ()) -> Iterator[tuple[Where, int]]:
    """Yield the line of every key and item below a YAML node; a key given twice counts where YAML takes it from."""
    if node.id == "mapping":
        for key, value in node.value:
            yield (*where, key.value), key.start_mark.line + 1
            yield from _numbered(value, (*where, key.value))
    elif node.id == "sequence":
        for index, item in enumerate(node.value):
            yield (*where, index), item.start_mark.line + 1
            yield from _numbered(item, (*where, index))


def _marked(text: str) -> Iterator[Problem]:
    """Yield each marked value with its line; not those in comments, which name the mark to explain it."""
    lines = text.splitlines()
    for token in yaml.scan(text):
        if isinstance(token, yaml.ScalarToken) and MARK in token.value:
            inside = range(token.start_mark.line, token.end_mark.line + 1)
            line = next(number for number in inside if MARK in lines[number])
            for name in re.findall(rf"{MARK}[\w-]*", token.value):
                yield Problem(line + 1, f"{name} is still to be set; the comments above it say how")
