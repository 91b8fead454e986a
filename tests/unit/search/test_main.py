"""The command diffusion-search: its subcommands are those of the project, each with its own help."""

import importlib
import tomllib
from pathlib import Path

import pytest

from search.main import COMMANDS, main

ROOT = Path(__file__).parents[3]


def test_every_command_of_the_project_has_a_name() -> None:
    scripts = [*(ROOT / "search").glob("*.py"), *(ROOT / "analysis").glob("*.py"), ROOT / "trainables/check.py"]
    scripts.append(ROOT / "trainables/data/__main__.py")
    commands = {path for path in scripts if "sys.exit(main())" in path.read_text()} - {ROOT / "search/main.py"}
    assert {Path(str(importlib.import_module(module).__file__)) for module, _ in COMMANDS.values()} == commands


def test_the_installed_command_is_this_one() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"diffusion-search": f"{main.__module__}:{main.__name__}"}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_calls_itself_by_its_name(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([name, "--help"])
    assert stopped.value.code == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"usage: diffusion-search {name} ")
    assert "python search/" not in printed


@pytest.mark.parametrize(("name", "path"), [("data", "/nowhere"), ("check", "/nowhere/mine.py")])
def test_an_error_of_a_look_at_ones_own_names_the_command(
    name: str, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, path]) == 2
    assert capsys.readouterr().err.startswith(f"diffusion-search {name}: {path}: ")


@pytest.mark.parametrize("name", ["search", "evaluate", "replay", "generate", "train", "export", "send"])
def test_an_error_names_the_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--nothing"]) == 2
    assert capsys.readouterr().err.startswith(f"diffusion-search {name}: ")


def test_help_lists_the_commands_and_a_wrong_name_finds_the_right_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == main([]) == 0
    printed = capsys.readouterr().out
    assert all(f"  {name} " in printed for name in COMMANDS)
    assert main(["genrate", "runs/mine"]) == 2
    assert capsys.readouterr().err == "diffusion-search: there is no command genrate; did you mean generate?\n"
