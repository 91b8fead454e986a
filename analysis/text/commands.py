"""Command lines about a run, to be copied."""

import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from analysis.run.run import Run
from analysis.run.storage import is_remote, parent

PROJECT = Path(__file__).parents[2]
# What no --warm-start goes with, see `search.settings.Settings`.
COLD_SAMPLERS, COLD_COSTS = ("gp", "nsga2"), ("seconds",)


@dataclass(frozen=True)
class Commands:
    """The commands about a run, as they are written in some folder; all texts are quoted for a shell.

    Attributes:
        name: the run's.
        run: where it is.
        settings: its search.json.
        folder: of the project, with a slash, or nothing.
        options: --storage-path and --address, where the command needs them.
        python: what runs a script.
        warm: whether a search that repeats this one can begin with what it found.
    """

    name: str
    run: str
    settings: str
    folder: str = ""
    options: str = ""
    python: str = "python"
    warm: bool = True

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
        return cls(
            name=run.name,
            run=short(run.uri),
            settings=short(run.settings_file),
            folder="" if folder == "." else f"{folder}/",
            options=options,
            python=_python(),
            warm=_is_warm(run),
        )

    @classmethod
    def anywhere(cls, run: Run) -> Self:
        """Return the commands for the project's folder with the run in `runs`, as a page has them wherever it is."""
        place = f"runs/{run.name}"
        settings = shlex.quote(f"{place}/{run.settings_file.name}")
        return cls(run.name, shlex.quote(place), settings, warm=_is_warm(run))

    def script(self, path: str, *words: str) -> str:
        """Return the command that runs a script of the project, such as search/run.py."""
        return " ".join([self.python, f"{self.folder}{path}", *words])

    def resume(self, *words: str) -> str:
        """Return the command that goes on with the run."""
        return self.script("search/run.py", f"--resume {shlex.quote(self.name)}{self.options}", *words)

    def again(self, *words: str) -> str:
        """Return the command that searches as the run did, but for some options.

        It begins with what the run found, where the search takes that.
        """
        warm = f" --warm-start {self.run}" if self.warm else ""
        return self.script("search/run.py", f"--config {self.settings}{warm}{self.options}", *words)


def _is_warm(run: Run) -> bool:
    settings = run.settings().get("settings", {})
    return settings.get("sampler") not in COLD_SAMPLERS and settings.get("against") not in COLD_COSTS


def _python() -> str:
    """Return `python` if that is the interpreter of this process, else the path of the interpreter."""
    own, found = Path(sys.executable), shutil.which("python")
    # Links of several environments lead to one file, so the folder has to be the same, too.
    is_own = found is not None and Path(found).parent.resolve() == own.parent.resolve() and own.samefile(found)
    return "python" if is_own else short(own)


def short(path: str | Path) -> str:
    """Return a path as seen from the current folder, if it lies in there, quoted for a shell if need be."""
    if is_remote(path):
        return shlex.quote(str(path))
    path, here = Path(path), Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))
