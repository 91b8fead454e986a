"""Images in parquet files as Hugging Face's data sets have them: a column of images, and one of labels."""

import json
import re
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from trainables.data.images import DataError
from trainables.data.sources import PARTS, Found, Part, Sample, first_line, readable

# pyarrow takes 0.2 s to import, which other forms of data sets do not need, so functions import it.

LABELS = ("label", "labels", "fine_label", "class", "category", "target", "character")
IMAGES = ("image", "img", "images", "picture", "photo")
# A column of texts with one of these names, or of those above, has the paths of images.
PATHS = ("path", "file", "file_name", "filename", "file_path", "image_path")
BATCH = 256  # rows that are in memory at a time


class _File(NamedTuple):
    path: Path
    part: Part
    rows: int
    image: str
    label: str | None
    group: str | None
    """The column of groups"""
    names: list[str] | None
    """The names of labels that are numbers, where the file has them"""


def find(path: Path, groups: str | None = None) -> Found | None:
    """Return what a parquet file, or the parquet files of a folder, hold, with a column of groups; None without any.

    A file is of the part that a word of its name says, as in train-00000-of-00002.parquet; else of the one that its
    folder below `path` says, the nearest first, as in default/test/0000.parquet; else of train.

    Raises:
        DataError: a file is damaged, has no column of images, or other columns than the rest.
    """
    candidates = [path] if path.is_file() else sorted(path.rglob("*"))
    paths = [one for one in candidates if one.suffix.lower() == ".parquet" and one.is_file() and one.name[0] != "."]
    if not paths:
        return None
    files = [_open(one, _part(one, path), groups) for one in paths]
    if len({file.label for file in files}) > 1:
        raise DataError(f"{readable(path)}: its parquet files have labels in different columns; give files of one set")
    kind = f"{len(files)} parquet file{'s' if len(files) > 1 else ''} with the column {files[0].image}"
    kind += f" and the labels {files[0].label}" if files[0].label else " and no labels"
    return Found(kind, sum(file.rows for file in files), lambda: chain.from_iterable(map(_rows, files)))


def _open(path: Path, part: Part, groups: str | None) -> _File:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"{readable(path)} cannot be read ({first_line(error)}); replace it with an intact copy"
        ) from None
    columns = {field.name: field.type for field in schema if _holds_images(field.type)}
    paths = [field.name for field in schema if field.name in (*IMAGES, *PATHS) and _is_text(field.type)]
    image = next((name for name in (*IMAGES, *columns) if name in columns), next(iter(paths), None))
    if image is None:
        there = ", ".join(f"{field.name} ({field.type})" for field in schema)
        right = "one of images, as bytes or {bytes, path}, or one of their paths, such as file_name"
        raise DataError(f"{readable(path)} has the columns {there}; give {right}")
    if groups is not None and (groups not in schema.names or groups == image):
        there = ", ".join(name for name in schema.names if name != image)
        raise DataError(f"--groups {groups}: {readable(path)} has no such column; give one of {there}")
    label = next((name for name in LABELS if name in schema.names and _is_label(schema.field(name).type)), None)
    return _File(path, part, rows, image, label, groups, _class_names(schema.metadata, label))


def _part(file: Path, path: Path) -> Part:
    """Return the part that the name of a file, or of a folder between it and `path`, says; "train" if none does."""
    names = (file.name,) if file == path else reversed(file.relative_to(path).parts)
    words = (word.rstrip("0123456789") for name in names for word in re.split(r"[-_. ]", name.lower()))
    return next((PARTS[word] for word in words if word in PARTS), "train")


def _holds_images(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_label(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_integer(kind)) or _is_text(kind)


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _class_names(metadata: dict[bytes, bytes] | None, label: str | None) -> list[str] | None:
    """Return the names that Hugging Face's metadata of a file have for the numbers of a column."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        names = features[label]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return [str(name) for name in names]


def _rows(file: _File) -> Iterator[Sample]:
    import pyarrow.parquet as pq

    columns = list(dict.fromkeys(name for name in (file.image, file.label, file.group) if name is not None))
    row = 0
    with pq.ParquetFile(file.path) as opened:
        for batch in opened.iter_batches(BATCH, columns=columns):
            images = batch.column(file.image).to_pylist()
            labels = batch.column(file.label).to_pylist() if file.label else [None] * len(images)
            groups = batch.column(file.group).to_pylist() if file.group else [None] * len(images)
            for image, label, group in zip(images, labels, groups, strict=True):
                name = f"{readable(file.path)}, row {row}"
                load = partial(_content, image, file.path.parent)
                yield Sample(name, file.part, _label(label, file, name), load, _group(group, file, name))
                row += 1


def _content(image: dict[str, Any] | bytes | str | None, folder: Path) -> bytes:
    """Return the bytes of an image, or of the file at its path, which begins at the folder of the parquet file."""
    content = image.get("bytes") if isinstance(image, dict) else image
    if isinstance(content, bytes):
        return content
    path = image.get("path") if isinstance(image, dict) else image
    if not isinstance(path, str):
        raise DataError("it has neither bytes nor a path")
    if not (folder / path).is_file():
        raise DataError(f"it has no bytes, and there is no file {readable(folder / path)}")
    return (folder / path).read_bytes()


def _label(label: int | str | None, file: _File, name: str) -> str | None:
    if file.label is None:
        return None
    if label is None or label == -1:
        raise DataError(f"{name} has no label; give all of them one, or leave the column {file.label} out")
    if file.names is not None and isinstance(label, int) and 0 <= label < len(file.names):
        return file.names[label]
    return str(label)


def _group(group: Any, file: _File, name: str) -> str | None:
    if file.group is not None and group is None:
        raise DataError(f"--groups {file.group}: {name} has no value; give all of them one")
    return None if group is None else str(group)
