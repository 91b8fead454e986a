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


# Of n samples, in the order of `trainables.report.CHECKS`: a report of a confirmation has them, and an evaluation.
CHECK_COLUMNS = (
    Column("unreadable_share", NUMBER, "share of samples that the classifier is not sure of; null without labels"),
    Column(
        "label_distance",
        NUMBER,
        "total variation, 0 to 1, of predicted labels of samples and of real images; null without labels",
    ),
    Column("density", NUMBER, "quality, 1 on average for real images"),
    Column("coverage", NUMBER, "variety, 0 to 1: share of real images with a sample near them"),
    Column("memorised_share", NUMBER, "share of samples nearer to a training image than 99 % of held-out images are"),
    Column("memorised_ratio", NUMBER, "median distance to the nearest training image over that of held-out images"),
    Column(
        "copied_share",
        NUMBER,
        "share of samples whose nearest training image is at less than a third of the distance of the tenth nearest",
    ),
    Column("repeated_share", NUMBER, "share of samples nearer to another sample than 99 % of real images to another"),
    Column("by_labels", NUMBER, "Frechet distance on 96 features of a residual network that learned the labels"),
    Column("by_rotations", NUMBER, "the same of one that learned how an image is turned"),
)


def schema(columns: Sequence[Column]) -> pa.Schema:
    """Return the schema of a table of these columns."""
    return pa.schema([(column.name, column.type) for column in columns])
