"""The summary of a run: search.json at its start, what is printed and returned at its end."""

import platform
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from rich.console import Console

from analysis.page.report import write_report
from analysis.process import INTERRUPTED
from analysis.run.run import Run
from analysis.statistics.ranking import rank_run
from analysis.text.answer import answer
from analysis.text.commands import Commands, short
from analysis.text.formats import output, print_blocks
from analysis.text.next_steps import Step, steps
from analysis.text.ranking import ranking_blocks, write_ranking
from search.confirmation.kinds import fields_compared
from search.progress.tensorboard import TensorBoardWriter
from search.settings import Settings
from search.space.space import Space, searched_domains
from search.study.dashboard import tell_answer
from trainables.data.card import describe
from trainables.data.images import Images
from trainables.metric.fmd import Reference

SHOWN = 20  # rows of the ranking
PACKAGES = ("diffusion-search", "torch", "torchvision", "torchmetrics", "ray", "optuna", "numpy", "pyarrow")


def card(settings: Settings, space: Space, images: Images, reference: Reference) -> dict[str, Any]:
    """Return the contents of search.json at the start: what it takes to search again and to know what was measured."""
    return {
        "status": "running",
        "settings": settings.saved(),
        "space": space.title,
        "domains": searched_domains(space),
        "confirm_by": list(fields_compared(settings, space)),
        "starting_point": bool(space.starts or settings.warm_start),
        "default": space.default,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "data": images.checksums,
        "data_card": describe(images),
        "classifier": reference.weights.sha256,
        "metric": reference.card(),
    }


def close(run: Run, status: str) -> int:
    """Write and print the result; return the exit status.

    It is 0, 3 where no trial ended with a result, 130 where the session was interrupted, and 1 where Ray was lost. What
    is printed last is the answer, what to do next, and where things are.
    """
    write_ranking(run)
    page = write_report(run)
    console = output()
    print_blocks(ranking_blocks(run, verbose=False, most=SHOWN), console)
    commands, found = Commands.here(run), answer(run)
    ended_early = status in ("interrupted", "lost")
    if not ended_early:
        _print_steps(steps(run, commands), console)
    if found is not None:
        print(f"samples of the best   {short(run.picture(found.trial, 'samples'))}")
    print(f"the whole report      {short(page)}")
    print(f"trials side by side   {commands.script('search/show.py', commands.run)}")
    print(f"the ranking again     {commands.script('analysis/rank.py', commands.run)}")
    if ended_early:
        print(f"go on                 {commands.resume()}")
        return INTERRUPTED if status == "interrupted" else 1
    if found is not None:
        TensorBoardWriter(run).answer(found)
        tell_answer(run, found)
    measured = [row for row in rank_run(run).to_pylist() if row["rank"] is not None]
    return 0 if any(row["state"] in ("COMPLETE", "PRUNED") for row in measured) else 3


def _print_steps(said: Iterable[Step], console: Console) -> None:
    """Print what to do next; a command is one line, however narrow the terminal, so that it can be copied."""
    for sentence, command in said:
        console.print(sentence, markup=False, highlight=False)
        if command:
            print(f"    {command}")
    print()
