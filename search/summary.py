"""The summary of a run: search.json at its start, what is printed and returned at its end."""

import platform
import shlex
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from analysis import rank
from analysis.page.report import write_report
from analysis.run.run import Run
from analysis.run.storage import is_remote, parent
from analysis.statistics.confirmed import confirmation_result
from analysis.statistics.ranking import rank_run
from analysis.text.formats import print_blocks
from analysis.text.ranking import ranking_blocks, write_ranking
from search.declaration import SettingsError
from search.settings import Settings
from search.space.space import Space
from trainables.data.card import describe
from trainables.data.mnist import Images
from trainables.metric.fmd import Reference

PACKAGES = ("diffusion-search", "torch", "torchvision", "torchmetrics", "ray", "optuna", "numpy", "pyarrow")


def card(settings: Settings, space: Space, images: Images, reference: Reference) -> dict[str, Any]:
    """Return the contents of search.json at the start: what it takes to search again and to know what was measured."""
    return {
        "status": "running",
        "settings": settings.saved(),
        "space": space.title,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "data": images.checksums,
        "data_card": describe(images),
        "classifier": reference.weights.sha256,
        "metric": reference.card(),
    }


def require_same(run: Run, checksums: dict[str, str], metric: str) -> None:
    """Raise SettingsError where a run goes on on other data, or with another metric, than it began with."""
    before = run.settings()
    if before.get("data", checksums) != checksums:
        raise SettingsError(f"--resume {run.name}: the data are not those that it began with; give its --data-dir")
    if before.get("metric", {}).get("version", metric) != metric:
        raise SettingsError(
            f"--resume {run.name}: its FMDs are {before['metric']['version']}, here they would be {metric}, which do "
            "not compare: its classifier is another; bring that, or search anew"
        )


def close(run: Run, settings: Settings, status: str) -> int:
    """Write and print the ranking and what to do next; return the exit status, 3 where no trial ended with a result."""
    write_ranking(run)
    console = Console()
    print_blocks(ranking_blocks(run), console if console.is_terminal else Console(width=120))
    measured = [row for row in rank_run(run).to_pylist() if row["rank"] is not None]
    print()
    best = _best(run, measured)
    if best is not None:
        print(f"samples of the best   {_short(run.sample_grid(best))}")
    print(f"the whole report     {_short(write_report(run))}")
    print(f"trials side by side   tensorboard --logdir {_short(run.tensorboard)}")
    print(f"the ranking again     python {_short(Path(rank.__file__))} {_short(run.uri)}")
    if status == "interrupted":
        print(f"go on                 {resume_command(run)}")
        return 130
    print(f"go on                 {resume_command(run)}{_more(run, settings)}")
    return 0 if any(row["state"] in ("COMPLETE", "PRUNED") for row in measured) else 3


def _best(run: Run, measured: list[dict[str, Any]]) -> str | None:
    """Return the best trial by the confirmation or else by the ranking, None where none was measured."""
    confirmed = confirmation_result(run)
    if confirmed and confirmed.standings:
        return confirmed.standings[0].trial
    return measured[0]["trial"] if measured else None


def _more(run: Run, settings: Settings) -> str:
    """Return the options with which a search that has ended goes on: more of what ended it, time or trials."""
    more = f" --trials {2 * settings.trials}" if len(run.starts()) >= settings.trials else ""
    if not more or run.used_seconds() > settings.time_budget / 2:
        more += f" --time-budget {2 * settings.time_budget:g}"
    return more


def pending(run: Run, settings: Settings) -> bool:
    """Return whether a search that has ended is to be confirmed, or confirmed further, as `settings` ask for."""
    if not settings.confirm:
        return False
    nested = run.confirmed()
    if nested is None or "settings" not in nested.settings():
        return True
    begun = nested.settings()
    asked = (begun["settings"]["confirm"], begun["settings"]["seeds"])
    return not begun["tested"] or begun.get("cut", False) or asked != (settings.confirm, settings.seeds)


def resume_command(run: Run) -> str:
    """Return the line that goes on with a run, to be entered in the current folder."""
    command = f"python {_short(Path(__file__).parent / 'run.py')} --resume {run.name}"
    if address := run.settings().get("settings", {}).get("address"):
        command += f" --address {address}"
    root = parent(run.uri)
    return command if root == str(Path("runs").resolve()) else f"{command} --storage-path {_short(root)}"


def _short(path: str | Path) -> str:
    """Return a path as seen from the current folder, if it lies in there, quoted for a shell if need be."""
    if is_remote(path):
        return shlex.quote(str(path))
    path, here = Path(path), Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))
