"""docs/run-format.md says what the definitions in analysis/run say."""

from pathlib import Path

from analysis.run import format, tables
from analysis.run.evaluations import SCHEMA
from analysis.run.run import Run


def test_the_page_is_up_to_date() -> None:
    assert format.PAGE.read_text() == format.page(), "run `make docs`"


def test_the_page_has_every_column() -> None:
    page = format.page()
    names = [*tables.TRIALS.names, *tables.CURVES.names, *SCHEMA.names]
    assert [name for name in names if f"| {name} | " not in page] == []


def test_the_page_has_every_file_of_a_run(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    run.write_settings({})
    run.write_tables()
    there = {f"{path.name}/" if path.is_dir() else path.name for path in run.path.iterdir()}
    assert [name for name in there if f"\n      {name} " not in format.page()] == []
