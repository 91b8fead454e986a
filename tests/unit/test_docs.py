"""README.md and docs/: their links lead somewhere, their commands exist, and their tables are complete."""

import importlib
import importlib.util
import re
import runpy
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path

import pytest

from search.schedulers import SCHEDULERS
from search.space.load import known as spaces
from search.space.load import load
from search.study.samplers import SAMPLERS as STUDY_SAMPLERS
from spaces.baselines import BASELINES
from tests.helpers.pages import (
    INLINE,
    OPTION,
    PAGES,
    ROOT,
    Command,
    anchors,
    code,
    column,
    commands,
    named,
    options_of,
    without_code,
)
from trainables import check
from trainables.config import Variant, domain_of
from trainables.data.load import DATASETS
from trainables.data.options import NAMED
from trainables.diffusion.degradations import DEGRADATIONS
from trainables.diffusion.process import TARGETS, WEIGHTS
from trainables.diffusion.samplers import SAMPLERS
from trainables.diffusion.schedules import SCHEDULES
from trainables.diffusion.times import TIMES
from trainables.domain import ConfigError
from trainables.networks import NETWORKS
from trainables.parts import uninstall

FOLDERS = ("analysis", "search", "spaces", "trainables", "tests", "docs")
README_LINES = 200
WIDTH = 160
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
# Commands whose options a user may give without naming the command.
MAIN = (
    *("search/run.py", "search/evaluate.py", "search/generate.py", "search/train.py"),
    *("search.cluster_files.setup", "search.cluster_files.remove"),
)
PYTHON = [command for command in commands() if command.program == "python"]
MODULES = sorted({command.words[1] for command in PYTHON if command.words[0] == "-m"} - {"pytest"})
MAKE = [command for command in commands() if command.program == "make"]


def test_the_pages_have_commands() -> None:
    assert len(PYTHON) >= 40
    assert len(MAKE) >= 5


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= README_LINES


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_lines_are_short_outside_tables(page: Path) -> None:
    lines = page.read_text().splitlines()
    assert [line for line in lines if len(line) > WIDTH and not line.startswith("|")] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for groups in LINK.findall(without_code(page)):
        link = "".join(groups)
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_paths_exist(page: Path) -> None:
    """Placeholders are in capitals; a name with a star or braces is a pattern."""
    paths = [text for text in INLINE.findall(without_code(page)) if re.fullmatch(r"[\w.-]+/[\w./{},*-]+", text)]
    ours = [path for path in paths if path.partition("/")[0] in FOLDERS and not re.search(r"[A-Z]{2}", path)]
    assert [path for path in ours if not expanded(path)] == []


def expanded(pattern: str) -> list[Path]:
    before, brace, rest = pattern.partition("{")
    if not brace:
        return list(ROOT.glob(pattern.rstrip("/")))
    inside, _, after = rest.partition("}")
    found = [expanded(f"{before}{part.strip()}{after}") for part in inside.split(",")]
    return [path for paths in found for path in paths] if all(found) else []


@pytest.mark.parametrize("command", dict.fromkeys(PYTHON), ids=str)
def test_python_commands_exist(command: Command) -> None:
    words = [word.strip("\"'") for word in command.words]
    if words[0] == "-m" and words[1] == "pytest":
        assert [word for word in words[2:] if "/" in word and not (ROOT / word).exists()] == []
        return
    program = words[1] if words[0] == "-m" else words[0]
    if "NAME" in program:
        return
    if words[0] == "-m":
        assert importlib.util.find_spec(program) is not None
    else:
        assert (ROOT / program).is_file()
    given = set(OPTION.findall(" ".join(words)))
    if given:
        assert given <= options_of(program) | {"--help"}


@pytest.mark.parametrize("module", MODULES)
def test_modules_that_pages_run_can_be_run(
    module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [module, "--help"])
    with pytest.raises(SystemExit, match="0"), warnings.catch_warnings(action="ignore", category=RuntimeWarning):
        runpy.run_module(module, run_name="__main__")
    assert f"usage: python -m {module}" in capsys.readouterr().out


@pytest.mark.parametrize("command", dict.fromkeys(MAKE), ids=str)
def test_make_targets_exist(command: Command) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = [word for word in command.words if re.fullmatch(r"[a-z][a-z-]+", word)]
    variables = [word.partition("=")[0] for word in command.words if re.match(r"[A-Z]+=", word)]
    assert set(targets[:1]) <= set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert [name for name in variables if f"$({name})" not in makefile] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_options_named_alone_exist(page: Path) -> None:
    known = set().union(*(options_of(program) for program in MAIN))
    spans = [text for text in INLINE.findall(without_code(page)) if text.startswith("--")]
    assert [text for text in spans if not set(OPTION.findall(text)) <= known] == []


def valued(option: str) -> set[str]:
    """Return the values that pages give to an option of search/run.py; placeholders are in capitals."""
    text = "\n".join("\n".join(code(page)) for page in PAGES)
    values = re.findall(rf"{option} ([^\s`|]+)", text)
    return {value.rstrip(".,;:)") for value in values if not value.isupper() and not value.endswith(".py")}


@pytest.mark.parametrize(
    ("option", "choices"),
    [
        ("--space", spaces()),
        ("--scheduler", SCHEDULERS),
        ("--dataset", NAMED),
        ("--sampler", {**STUDY_SAMPLERS, **SAMPLERS}),
    ],
)
def test_values_exist(option: str, choices: Iterable[str]) -> None:
    assert valued(option) <= set(choices)


def test_fixed_fields_exist() -> None:
    assignments = [value for value in valued("--set") if "=" in value and not value.startswith("NAME")]
    assert assignments
    for assignment in assignments:
        name, _, value = assignment.partition("=")
        field = name.replace(".", "/")
        domain_of(field).parse(field, value)


@pytest.mark.parametrize(
    ("page", "header", "members"),
    [
        ("README.md", "`--space`", spaces()),
        ("docs/guide.md", "`--scheduler`", SCHEDULERS),
        ("docs/guide.md", "`--sampler`", STUDY_SAMPLERS),
        ("docs/guide.md", "`--dataset`", DATASETS),
        ("docs/literature.md", "row", [*BASELINES, "found", "found", "found"]),
        ("docs/variants.md", "schedule", SCHEDULES),
        ("docs/variants.md", "degradation", DEGRADATIONS),
        ("docs/variants.md", "network", NETWORKS),
        ("docs/variants.md", "`training.target`", TARGETS),
        ("docs/variants.md", "`training.weight`", WEIGHTS),
        ("docs/variants.md", "`training.times`", TIMES),
        ("docs/variants.md", "sampler", SAMPLERS),
    ],
)
def test_tables_have_every_member(page: str, header: str, members: Iterable[str]) -> None:
    assert sorted(cell.strip("`") for cell in column(page, header)) == sorted(members)


def test_the_page_of_the_literature_says_how_exact_each_row_is() -> None:
    rows = dict(zip(column("docs/literature.md", "row"), column("docs/literature.md", "row", 2), strict=True))
    assert {name: rows[name] for name in BASELINES} == {name: entry.provenance for name, entry in BASELINES.items()}
    different = [name for names in column("docs/literature.md", "rows") for name in names.split(", ")]
    assert len(set(different)) == len(different)
    assert {name for name in BASELINES if rows[name] != "code"} <= set(different) <= set(BASELINES)


def test_the_space_of_the_readme_can_be_searched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"```python\n(\"\"\".*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    file = tmp_path / "my_space.py"
    file.write_text(block)
    try:
        assert check.main([str(file)]) == 0, capsys.readouterr().out
        space = load(str(file), {})
    finally:
        uninstall()
    assert space.title == "Which strength suits which learning rate, for a degradation of my own."
    assert set(space.names) == {"degradation/invert/depth", "training/lr"}
    assert len(space.starts) == 1


def fits(kind: str, field: str, value: str) -> bool:
    try:
        Variant.from_flat({"sampler/kind": "cold1", "degradation/kind": kind, field: value})
    except ConfigError:
        return False
    return True


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("`training.target`", "training/target"),
        ("`training.weight`", "training/weight"),
        ("sampler", "sampler/kind"),
    ],
)
def test_tables_say_what_fits_which_degradation(header: str, field: str) -> None:
    rows = zip(column("docs/variants.md", header), column("docs/variants.md", header, -1), strict=True)
    for member, said in rows:
        fitting = {kind for kind in DEGRADATIONS if fits(kind, field, member.strip("`"))}
        assert set(INLINE.findall(said)) == (fitting if len(fitting) < len(DEGRADATIONS) else set()), member


def test_the_table_of_spaces_has_their_baselines() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    for space in spaces():
        (row,) = [line for line in lines if line.startswith(f"| `{space}` |")]
        baselines = importlib.import_module(f"spaces.{space}").BASELINES
        said = row.split("|")[3].split()
        assert said == list(baselines) or (said == ["all"] and list(baselines) == list(BASELINES))


def test_the_table_of_options_is_complete() -> None:
    text = (ROOT / "docs/guide.md").read_text()
    table = text.partition("| group | options |")[2].partition("\n\n")[0]
    assert set(OPTION.findall(table)) == options_of("search/run.py") - {"--help"}
