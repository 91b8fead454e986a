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
        address: the option --address, where the run was searched on a cluster, or nothing.
        root: the folder of the runs; empty where the command leaves it to the settings of the run.
        python: what runs a script.
        warm: whether a search that repeats this one can begin with what it found.
    """

    name: str
    run: str
    settings: str
    folder: str = ""
    address: str = ""
    root: str = "runs"
    python: str = "python"
    warm: bool = True

    @classmethod
    def here(cls, run: Run) -> Self:
        """Return the commands for the current folder."""
        address, folder = _address(run), short(PROJECT)
        return cls(
            name=run.name,
            run=short(run.uri),
            settings=short(run.settings_file),
            folder="" if folder == "." else f"{folder}/",
            address=f" --address {shlex.quote(address)}" if address else "",
            root=short(parent(run.uri)),
            python=_python(),
            warm=_is_warm(run),
        )

    @classmethod
    def anywhere(cls, run: Run) -> Self:
        """Return the commands for the project's folder with the run in `runs`, as a page has them wherever it is."""
        place = f"runs/{run.name}"
        settings = shlex.quote(f"{place}/{run.settings_file.name}")
        # Of a cluster, all machines see the folder that the settings name.
        root = "" if _address(run) else "runs"
        return cls(run.name, shlex.quote(place), settings, root=root, warm=_is_warm(run))

    def script(self, path: str, *words: str) -> str:
        """Return the command that runs a script of the project, such as search/run.py."""
        return " ".join([self.python, f"{self.folder}{path}", *words])

    def resume(self, *words: str) -> str:
        """Return the command that goes on with the run."""
        place = "" if self.root in ("", "runs") else f" --storage-path {self.root}"
        return self.script("search/run.py", f"--resume {shlex.quote(self.name)}{self.address}{place}", *words)

    def anew(self, *words: str) -> str:
        """Return the command that searches as the run did, but for some options.

        The settings name the folder in which the run began, so the command says where the new one is to be.
        """
        place = f" --storage-path {self.root}" if self.root else ""
        return self.script("search/run.py", f"--config {self.settings}{self.address}{place}", *words)

    def again(self, *words: str) -> str:
        """Return the same command; the search begins with what the run found, if it takes that."""
        return self.anew(*([f"--warm-start {self.run}"] if self.warm else []), *words)


def _address(run: Run) -> str | None:
    return run.settings().get("settings", {}).get("address")


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
