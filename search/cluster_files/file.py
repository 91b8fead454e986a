"""A cluster file of Ray: its values, the lines they stand on, and the marks of values that are still to be set.

The values that a set-up gives are set line by line: comments, order and all other values stay.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import yaml  # type: ignore[import-untyped]

from trainables.domain import UsageError

Where = tuple[Any, ...]
"""Keys and indices that lead to a value: ("provider", "worker_ips", 0)."""

NAME = "diffusion-search"  # of the cluster in cluster.yaml
MARK = "CHANGE-ME"
STORAGE = re.compile(r"(?<=SEARCH_STORAGE=s3://)[^/\s'\"]+")
PYTHON = re.compile(r"(?<=--python )3\.\d+")


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
        """Return the file at `path`; raise NotACluster where it is no YAML, or not a mapping.

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


@dataclass(frozen=True)
class Values:
    """What a set-up gives a cluster file."""

    name: str
    """Of the cluster; its instance profiles are NAME-head and NAME-worker."""
    region: str
    zones: Sequence[str]
    image: str
    """Of machines for which the file has none, or one of another region."""
    bucket: str


def written(file: ClusterFile, values: Values, group: str) -> str:
    """Return the text of a file with these values, and the security group of this id.

    Raises:
        UsageError: a value does not stand on the line of its key.
    """
    lines = list(file.lines)
    done = set()  # what `<<` merges into several types stands on one line
    for where, value in _wanted(file, values, group):
        old, number = file.get(*where), file.line(*where)
        if old is None or str(old) == value or (number, str(old), value) in done:
            continue
        done.add((number, str(old), value))
        line = lines[number - 1]
        if str(old) in line:
            lines[number - 1] = line.replace(str(old), value, 1)
        elif "*" not in line:  # an alias changes with its anchor
            raise UsageError(f"line {number}: {'.'.join(map(str, where))} is not on this line; set it to {value} there")
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return "".join(f"{_in_commands(line, values.bucket, python)}\n" for line in lines)


def _wanted(file: ClusterFile, values: Values, group: str) -> Iterator[tuple[Where, str]]:
    moved = file.get("provider", "region") != values.region
    yield ("cluster_name",), values.name
    yield ("provider", "region"), values.region
    if moved or not _among(file.get("provider", "availability_zone"), values.zones):
        yield ("provider", "availability_zone"), ",".join(values.zones)
    for name in file.get("available_node_types"):
        where: Where = ("available_node_types", name, "node_config")
        if moved or MARK in str(file.get(*where, "ImageId")):
            yield (*where, "ImageId"), values.image
        yield (*where, "SecurityGroupIds", 0), group
        kind = "head" if name == file.get("head_node_type") else "worker"
        yield (*where, "IamInstanceProfile", "Name"), f"{values.name}-{kind}"


def _among(given: str | None, zones: Sequence[str]) -> bool:
    return {zone.strip() for zone in (given or "").split(",")} <= set(zones)


def _in_commands(line: str, bucket: str, python: str) -> str:
    """Return a line with the bucket, and with the Python that runs: Ray wants one Python everywhere."""
    if line.lstrip().startswith("#"):
        return line
    return PYTHON.sub(python, STORAGE.sub(bucket, line))
