"""docs/run-format.md says what the definitions in analysis/run say."""

from pathlib import Path

from analysis.run import tables
from analysis.run.evaluations import SCHEMA
from analysis.run.run import Run
from tests.helpers.tools import load_script

script = load_script(Path(__file__).parents[2] / "docs" / "run_format.py")


def test_the_page_is_up_to_date() -> None:
    assert script.PAGE.read_text() == script.page(), "run `make docs`"


def test_the_page_has_every_column() -> None:
    page = script.page()
    names = [*tables.TRIALS.names, *tables.CURVES.names, *SCHEMA.names]
    assert [name for name in names if f"| {name} | " not in page] == []


def test_the_page_has_every_file_of_a_run(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "run")
    run.write_settings({})
    run.write_tables()
    there = {f"{path.name}/" if path.is_dir() else path.name for path in run.path.iterdir()}
    assert [name for name in there if f"\n      {name} " not in script.page()] == []
