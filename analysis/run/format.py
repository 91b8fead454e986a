"""Writes docs/run-format.md, what a run's folder holds: `python -m analysis.run.format`, or `make docs`."""

import ast
import inspect
import textwrap
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from analysis.run.columns import Column
from analysis.run.evaluations import EVALUATION_COLUMNS
from analysis.run.events import End, Start
from analysis.run.tables import CURVE_COLUMNS, TRIAL_COLUMNS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "run-format.md"
TEMPLATE = Path(__file__).with_name("format.md")
JSON_TYPES = {"str": "string", "int": "integer", "float": "number", "State": "string", "Mapping[str, Value]": "object"}


def page() -> str:
    """Return the page as Markdown."""
    return TEMPLATE.read_text().format(
        start=fields_of(Start),
        end=fields_of(End),
        trials=table(TRIAL_COLUMNS),
        curves=table([column for column in CURVE_COLUMNS if column not in TRIAL_COLUMNS]),
        evaluation=table(EVALUATION_COLUMNS),
    )


def table(columns: Sequence[Column]) -> str:
    """Return columns as a Markdown table."""
    types = [str(column.type).replace("<item: ", " of ").rstrip(">") for column in columns]
    rows = [(column.name, kind, column.meaning) for column, kind in zip(columns, types, strict=True)]
    return _markdown(("column", "type", "meaning"), rows)


def fields_of(event: type) -> str:
    """Return the fields of an event as a Markdown table; a field's docstring, or its column, says what it means."""
    meanings = {column.name: column.meaning for column in TRIAL_COLUMNS}
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(event))).body
    assert isinstance(definition, ast.ClassDef)
    rows = []
    for entry, after in pairwise([*definition.body, ast.Pass()]):
        if isinstance(entry, ast.AnnAssign) and isinstance(entry.target, ast.Name):
            name, kind = entry.target.id, ast.unparse(entry.annotation).removesuffix(" | None")
            rows.append((name, JSON_TYPES[kind], _docstring(after) or meanings[name]))
    return _markdown(("field", "type", "meaning"), rows)


def _docstring(node: ast.stmt) -> str:
    """Return the text of a field's docstring as a table has it; empty where `node` is none."""
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Constant):
        return ""
    text = str(node.value.value).rstrip(".")
    return text[0].lower() + text[1:]


def _markdown(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page())
