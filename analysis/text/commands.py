"""Command lines about a run, to be copied."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from analysis.run.run import Run
from analysis.run.storage import is_remote, parent

PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Commands:
    """The commands about a run, as they are written in some folder; all texts are quoted for a shell.

    Attributes:
        name: the run's.
        run: where it is.
        settings: its search.json.
        folder: of the project, with a slash, or nothing.
        options: --storage-path and --address, where the command needs them.
    """

    name: str
    run: str
    settings: str
    folder: str = ""
    options: str = ""

    @classmethod
    def here(cls, run: Run) -> Self:
        """Return the commands for the current folder."""
        options = ""
        if address := run.settings().get("settings", {}).get("address"):
            options += f" --address {shlex.quote(address)}"
        root = parent(run.uri)
        if root != str(Path("runs").resolve()):
            options += f" --storage-path {short(root)}"
        folder = short(PROJECT)
        return cls(run.name, short(run.uri), short(run.settings_file), "" if folder == "." else f"{folder}/", options)

    @classmethod
    def anywhere(cls, run: Run) -> Self:
        """Return the commands for the project's folder with the run in `runs`, as a page has them wherever it is."""
        place = f"runs/{run.name}"
        return cls(run.name, shlex.quote(place), shlex.quote(f"{place}/{run.settings_file.name}"))

    def script(self, path: str, *words: str) -> str:
        """Return the command that runs a script of the project, such as search/run.py."""
        return " ".join(["python", f"{self.folder}{path}", *words])

    def resume(self, *words: str) -> str:
        """Return the command that goes on with the run."""
        return self.script("search/run.py", f"--resume {shlex.quote(self.name)}{self.options}", *words)

    def again(self, *words: str) -> str:
        """Return the command that searches as the run did, but for some options, and begins with what it found."""
        return self.script("search/run.py", f"--config {self.settings} --warm-start {self.run}{self.options}", *words)


def short(path: str | Path) -> str:
    """Return a path as seen from the current folder, if it lies in there, quoted for a shell if need be."""
    if is_remote(path):
        return shlex.quote(str(path))
    path, here = Path(path), Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))
