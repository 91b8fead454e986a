"""Write run-format.md, what a run's folder holds, from the definitions in analysis/run: `make docs`."""

import ast
import inspect
import textwrap
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from analysis.run.earlier import EarlierTrial
from analysis.run.evaluations import EVALUATION_COLUMNS
from analysis.run.events import End, Start
from analysis.run.tables import CURVE_COLUMNS, TRAINING_COLUMNS, TRIAL_COLUMNS, Column

PAGE = Path(__file__).with_name("run-format.md")
TEMPLATE = PAGE.with_suffix(".template")
JSON_TYPES = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "State": "string",
    "Mapping[str, Value]": "object",
    "tuple[Report, ...]": "array of objects",
}


def page() -> str:
    """Return the page as Markdown."""
    return TEMPLATE.read_text().format(
        start=fields_of(Start),
        end=fields_of(End),
        earlier=fields_of(EarlierTrial),
        trials=rows_of(TRIAL_COLUMNS),
        curves=rows_of([column for column in CURVE_COLUMNS if column not in TRIAL_COLUMNS]),
        training=rows_of([column for column in TRAINING_COLUMNS if column not in TRIAL_COLUMNS]),
        evaluation=rows_of(EVALUATION_COLUMNS),
    )


def rows_of(columns: Sequence[Column]) -> str:
    """Return columns as rows of a Markdown table."""
    rows = []
    for column in columns:
        kind = str(column.type).replace("<item: ", " of ").rstrip(">")
        rows.append(f"| {column.name} | {kind} | {column.meaning} |")
    return "\n".join(rows)


def fields_of(event: type) -> str:
    """Return the fields of an event as rows of a Markdown table; its docstring, or its column, says what one means."""
    meanings = {column.name: column.meaning for column in TRIAL_COLUMNS}
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(event))).body
    assert isinstance(definition, ast.ClassDef)
    rows = []
    for entry, after in pairwise([*definition.body, ast.Pass()]):
        if isinstance(entry, ast.AnnAssign) and isinstance(entry.target, ast.Name):
            name, kind = entry.target.id, ast.unparse(entry.annotation).removesuffix(" | None")
            told = ast.get_docstring(ast.Module([after], []))
            meaning = told[0].lower() + told[1:].rstrip(".") if told else meanings[name]
            rows.append(f"| {name} | {JSON_TYPES[kind]} | {meaning} |")
    return "\n".join(rows)


if __name__ == "__main__":
    PAGE.write_text(page())
