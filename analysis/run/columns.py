"""Columns of a run's tables: name, type and meaning of each, stated once; docs/run-format.md is made from them."""

from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

TEXT, FLAG, COUNT, NUMBER = pa.string(), pa.bool_(), pa.int64(), pa.float64()
COUNTS, NUMBERS = pa.list_(COUNT), pa.list_(NUMBER)
TIME = pa.timestamp("ms", tz="UTC")


class Column(NamedTuple):
    """A column of a table: its name, its type, what it means."""

    name: str
    type: pa.DataType
    meaning: str


def schema(columns: Sequence[Column]) -> pa.Schema:
    """Return the schema of a table of these columns."""
    return pa.schema([(column.name, column.type) for column in columns])
