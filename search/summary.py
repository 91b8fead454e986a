"""What a run says of itself: search.json at its start, and what is printed and returned at its end."""

from __future__ import annotations

import platform
import shlex
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from analysis import rank, report
from analysis.run.run import Run
from analysis.run.storage import is_remote, parent
from analysis.statistics.confirmed import confirmation_result
from analysis.statistics.ranking import rank_run
from analysis.text.ranking import print_ranking, write_ranking
from search.declaration import SettingsError
from search.settings import Settings
from search.space.space import Space
from trainables.data.mnist import Images
from trainables.metric.fmd import Reference

PACKAGES = ("diffusion-search", "torch", "torchvision", "torchmetrics", "ray", "optuna", "numpy", "pyarrow")


def card(settings: Settings, space: Space, images: Images, reference: Reference) -> dict[str, Any]:
    """Return what search.json holds from the start: what it takes to search again, and to know what was measured."""
    return {
        "status": "running",
        "settings": settings.saved(),
        "space": space.title,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "data": images.checksums,
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
    print_ranking(run, console if console.is_terminal else Console(width=120))
    ranking = rank_run(run).to_pylist()
    measured = [row for row in ranking if row["rank"] is not None]
    confirmed = confirmation_result(run)
    best = [standing.trial for standing in confirmed.standings] if confirmed else []
    best = (best or [row["trial"] for row in measured])[:1]
    more = "" if status == "interrupted" else _more(run, settings)
    lines = [
        *(f"samples of the best   {_short(run.sample_grid(name))}" for name in best),
        f"the whole report     {_short(report.write_report(run))}",
        f"trials side by side   tensorboard --logdir {_short(run.tensorboard)}",
        f"the ranking again     python {_short(Path(rank.__file__))} {_short(run.uri)}",
        f"go on                 {resume_command(run)}{more}",
    ]
    print("", *lines, sep="\n")
    if status == "interrupted":
        return 130
    return 0 if any(row["state"] in ("COMPLETE", "PRUNED") for row in measured) else 3


def _more(run: Run, settings: Settings) -> str:
    """Return the options with which a search that has ended goes on: more trials, and time if it had all of that."""
    out_of_time = run.settings().get("wall_seconds", 0.0) >= settings.time_budget
    return f" --trials {2 * settings.trials}" + f" --time-budget {2 * settings.time_budget:g}" * out_of_time


def pending(run: Run, settings: Settings) -> bool:
    """Return whether a search that has ended is to be confirmed, or confirmed further, as `settings` ask for."""
    nested = run.confirmed()
    if not settings.confirm or nested is None:
        return settings.confirm > 0
    said = nested.settings()
    if not said:
        return True
    asked = (said["settings"]["confirm"], said["settings"]["seeds"])
    return not said["tested"] or asked != (settings.confirm, settings.seeds)


def resume_command(run: Run) -> str:
    """Return the line that goes on with a run, to be entered in the current folder."""
    command = f"python {_short(Path(__file__).parent / 'run.py')} --resume {run.name}"
    root, address = parent(run.uri), run.settings().get("settings", {}).get("address")
    command += f" --address {address}" if address else ""
    return command if root == str(Path("runs").resolve()) else f"{command} --storage-path {_short(root)}"


def _short(path: str | Path) -> str:
    """Return a path as seen from the current folder, if it lies in there, quoted for a shell if need be."""
    if is_remote(path):
        return shlex.quote(str(path))
    path, here = Path(path), Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))
