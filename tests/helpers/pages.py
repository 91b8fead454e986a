"""README.md and docs/ as the tests read them: their code, commands, anchors and tables."""

import ast
import contextlib
import functools
import io
import itertools
import re
import runpy
import shlex
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?:^    \S.*\n?)+", re.MULTILINE)
INLINE = re.compile(r"`([^`\n]+)`")
# A command ends where the shell ends it, or at a comment.
COMMAND = re.compile(r"\b(?:python|make)\s[^#|;&'\n]+")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


@dataclass(frozen=True)
class Command:
    """A command as a page writes it; `words` are those after python or make."""

    page: str
    program: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {self.program} {' '.join(self.words)}"


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def without_code(page: Path) -> str:
    return FENCE.sub("", page.read_text())


def code(page: Path) -> Iterator[str]:
    """Yield the code of a page: fenced and indented blocks, then inline code, continued lines joined."""
    text = page.read_text()
    blocks = [block for language, block in FENCE.findall(text) if language in ("", "sh", "bash")]
    text = FENCE.sub("", text)
    blocks += INDENTED.findall(text)
    yield from (block.replace("\\\n", " ") for block in blocks)
    yield from INLINE.findall(INDENTED.sub("", text))


def commands() -> Iterator[Command]:
    for page in PAGES:
        for block in code(page):
            for text in COMMAND.findall(block):
                program, *words = shlex.split(text, posix=False)
                yield Command(named(page), program, tuple(words))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", without_code(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@functools.cache
def help_of(program: str) -> str:
    """Return what --help of a script (a path) or a module (a dotted name) prints."""
    said = io.StringIO()
    with (
        mock.patch.object(sys, "argv", [program, "--help"]),
        mock.patch.object(sys, "path", [str((ROOT / program).parent), *sys.path]),
        contextlib.redirect_stdout(said),
        contextlib.suppress(SystemExit),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        if program.endswith(".py"):
            runpy.run_path(str(ROOT / program), run_name="__main__")
        else:
            runpy.run_module(program, run_name="__main__", alter_sys=True)
    return said.getvalue()


@functools.cache
def options_of(program: str) -> set[str]:
    """Return the options of a program; those of a benchmark as its source has them, whose imports may be missing."""
    if not program.startswith("tests/benchmarks/"):
        return set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", help_of(program), re.MULTILINE))
    calls = [node for node in ast.walk(ast.parse((ROOT / program).read_text())) if isinstance(node, ast.Call)]
    constants = [node.args[0] for node in calls if getattr(node.func, "attr", "") == "add_argument" and node.args]
    return {node.value for node in constants if isinstance(node, ast.Constant)}


def column(page: str, header: str, index: int = 0) -> list[str]:
    """Return the cells of a column of the table whose first heading is `header`."""
    lines = iter((ROOT / page).read_text().splitlines())
    next(line for line in lines if line.startswith(f"| {header} |"))
    next(lines)
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines)
    return [row.strip("|").split("|")[index].strip() for row in rows]
