"""Set the values of a cluster file for AWS line by line: comments, order and all other values stay."""

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from search.cluster_files.file import MARK, ClusterFile, Where
from trainables.domain import UsageError

STORAGE = re.compile(r"(?<=SEARCH_STORAGE=s3://)[^/\s'\"]+")
PYTHON = re.compile(r"(?<=--python )3\.\d+")


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
