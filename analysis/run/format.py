"""Writes docs/run-format.md, what a run's folder holds: `python -m analysis.run.format`, or `make docs`."""

from __future__ import annotations

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

FILES = {
    "search.json": "settings, versions, seeds, checksums of data and classifier, the metric and its floor, times",
    "log.jsonl": "every event of every trial, written at once: the source of truth",
    "report.html": "the page of analysis/report.py, one file to read and to send",
    "trials.parquet": "one row a trial, derived from the log",
    "curves.parquet": "one row a report, derived from the log",
    "ranking.csv": "the ranking of analysis/rank.py",
    "evaluation.parquet": "one row an evaluation by search/evaluate.py, if there was any",
    "study.journal": "the Optuna study, which has the run's name",
    "samples/": "TRIAL.png, a grid of samples; TRIAL-strip.png, degradation (top) and sampling (bottom)",
    "checkpoints/": "TRIAL.pt, of trials that run or are paused, and of the best complete ones",
    "artifacts/": "the pictures under the names that the study gives them: links, which take no space",
    "tensorboard/": "one folder a trial",
    "confirm/": "the confirmation, a run of its own: 016-gaussian.0, .1, ... are 016-gaussian with fresh seeds",
    "ray/": "Ray Tune's own state; nothing reads it again",
}

TEMPLATE = """\
<!-- `make docs` writes this page from the definitions in analysis/run/. -->

# What a run leaves

    runs/NAME/
{files}

A run can be read while it goes on, and from a copy of its folder. On object storage the files that grow (log.jsonl and
study.journal) lie in segments of 256 KiB. search.json has `"format": 2`; older runs are read, too.

## log.jsonl

One JSON object a line, in the order of arrival; a line counts once it is whole. The field `event` is `start`, `report`
or `end`. A number that is not finite is null. After a resume a trial may start and report again: its first start, its
first report at each images_seen and its last end count.

### start

{start}

### report

`trial`, `time` and the columns of trials.parquet from `diverged` to `nfe`. Seconds are those since the trial's previous
report.

### end

{end}

## trials.parquet

One row a trial, in the order in which the trials were asked for. A trial without a report has null in the columns of
reports.

{trials}

## curves.parquet

One row a report, by trial and images seen: `trial`, `number`, the columns from `diverged` to `nfe` as in
trials.parquet, and `time`. Seconds are those since the trial's previous report.

{curves}

## evaluation.parquet

One row for each trial, or for "real images", on one split with one number of samples of one sampler. A value that a row
lacks is null.

{evaluation}
"""
FIELDS = "| `schedule/kind`, `training/lr`, ... | bool, int64, double or string | the configuration, a column a field |"
JSON_TYPES = {"str": "string", "int": "integer", "float": "number", "State": "string", "Mapping[str, Value]": "object"}


def page() -> str:
    """Return the page as Markdown."""
    width = max(map(len, FILES))
    return TEMPLATE.format(
        files="\n".join(f"      {name:<{width}}  {meaning}" for name, meaning in FILES.items()),
        start=fields_of(Start),
        end=fields_of(End),
        trials=f"{table(TRIAL_COLUMNS)}\n{FIELDS}",
        curves=table([column for column in CURVE_COLUMNS if column not in TRIAL_COLUMNS]),
        evaluation=table(EVALUATION_COLUMNS),
    )


def table(columns: Sequence[Column]) -> str:
    """Return columns as a Markdown table."""
    rows = ((column.name, _type(column), column.meaning) for column in columns)
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


def _type(column: Column) -> str:
    return str(column.type).replace("<item: ", " of ").rstrip(">")


def _markdown(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page())
